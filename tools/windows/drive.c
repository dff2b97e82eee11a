/* Plugs a drive in and pulls it, while wine runs: `drive.exe E /unix/directory` and `drive.exe E`.
 *
 * Built by `cargo xtask windows service`. It asks wine's mount manager, as wine's own configuration program does
 * (IOCTL_MOUNTMGR_DEFINE_UNIX_DRIVE; the structure is that of include/wine/mountmgr.h): the drive is a removable one, its serial
 * number what the file .windows-serial in the directory says. Programs see it come and go as a drive letter.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <winioctl.h>

#define DEFINE_UNIX_DRIVE CTL_CODE('m', 32, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS)
#define PATH_MAX_BYTES 3072

struct unix_drive {
    ULONG size;
    ULONG type;
    ULONG fs_type;
    DWORD serial;
    ULONGLONG unix_dev;
    WCHAR letter;
    USHORT mount_point_offset;
    USHORT device_offset;
    USHORT label_offset;
};

int main(int count, char **words) {
    union {
        struct unix_drive drive;
        char bytes[sizeof(struct unix_drive) + PATH_MAX_BYTES];
    } request = {0};
    DWORD written;

    if (count < 2 || count > 3 || strlen(words[1]) != 1 || (count == 3 && strlen(words[2]) >= PATH_MAX_BYTES)) {
        fprintf(stderr, "usage: drive LETTER [UNIX-DIRECTORY]\n");
        return 2;
    }
    request.drive.letter = (WCHAR)words[1][0];
    request.drive.size = sizeof request.drive;
    request.drive.type = DRIVE_NO_ROOT_DIR;
    if (count == 3) {
        request.drive.type = DRIVE_REMOVABLE;
        request.drive.mount_point_offset = sizeof request.drive;
        strcpy(request.bytes + sizeof request.drive, words[2]);
        request.drive.size += (ULONG)strlen(words[2]) + 1;
    }
    HANDLE manager = CreateFileW(L"\\\\.\\MountPointManager", GENERIC_READ | GENERIC_WRITE,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (manager == INVALID_HANDLE_VALUE) {
        fprintf(stderr, "drive: no mount manager: error %lu\n", GetLastError());
        return 1;
    }
    if (!DeviceIoControl(manager, DEFINE_UNIX_DRIVE, &request, request.drive.size, NULL, 0, &written, NULL)) {
        fprintf(stderr, "drive: the mount manager refuses: error %lu\n", GetLastError());
        return 1;
    }
    return 0;
}

/* The one function of bcryptprimitives.dll that Rust's standard library calls, for versions of wine that lack the library
 * (before 8.9). Built by `cargo xtask windows setup` into the wine prefix of the test bed; never used on Windows itself.
 *
 * ProcessPrng fills a buffer with random bytes. Its contract says that it never fails, so neither may this one return without
 * having filled all of it: a failure ends the process.
 */
#include <stdlib.h>
#include <windows.h>
#include <ntsecapi.h>

/* Longest piece that is asked for at once: RtlGenRandom counts in 32 bits. */
#define PIECE_MAX_BYTES 0x10000000u

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T len_bytes) {
    while (len_bytes > 0) {
        ULONG piece = len_bytes > PIECE_MAX_BYTES ? PIECE_MAX_BYTES : (ULONG)len_bytes;
        if (!RtlGenRandom(bytes, piece)) abort();
        bytes += piece;
        len_bytes -= piece;
    }
    return TRUE;
}

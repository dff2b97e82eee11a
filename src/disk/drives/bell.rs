//! [`Bell`]: hears from Windows that a volume came or went.
#![expect(unsafe_code, reason = "a call of the system that no safe wrapper offers")]

use std::ffi::c_void;
use std::mem::transmute;
use std::ptr::null_mut;

use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    CM_NOTIFY_ACTION, CM_NOTIFY_EVENT_DATA, CM_NOTIFY_FILTER, CM_NOTIFY_FILTER_0, CM_NOTIFY_FILTER_0_0,
    CM_NOTIFY_FILTER_TYPE_DEVICEINTERFACE, CONFIGRET, CR_SUCCESS, HCMNOTIFICATION, PCM_NOTIFY_CALLBACK,
};
use windows_sys::Win32::System::LibraryLoader::{GetProcAddress, LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW};
use windows_sys::core::{GUID, s, w};

/// Volumes, as `GUID_DEVINTERFACE_VOLUME` of `winioctl.h`.
const VOLUMES: GUID = GUID::from_u128(0x53f5630d_b6bf_11d0_94f2_00a0c91efb8b);

type Ring = Box<dyn Fn() + Send + Sync>;
type Register = unsafe extern "system" fn(
    *const CM_NOTIFY_FILTER,
    *const c_void,
    PCM_NOTIFY_CALLBACK,
    *mut HCMNOTIFICATION,
) -> CONFIGRET;
type Unregister = unsafe extern "system" fn(HCMNOTIFICATION) -> CONFIGRET;

/// Rings while it exists. Dropping it waits until it does not ring any more.
///
/// Source: `CM_Register_Notification` of `cfgmgr32.dll`, from Windows 8 on, which serves programs and services alike.
pub struct Bell {
    registered: HCMNOTIFICATION,
    unregister: Unregister,
    ring: *mut Ring,
}

// SAFETY: the system takes the handle from any thread, and what rings is Send and Sync.
unsafe impl Send for Bell {}

impl Bell {
    /// Calls `ring` from a thread of the system whenever a volume comes or goes, often before it has a letter; nothing where the system
    /// does not tell, as an older one and wine.
    pub fn hang(ring: impl Fn() + Send + Sync + 'static) -> Option<Self> {
        // SAFETY: the names end with a NUL, and the types are those of `cfgmgr32.h`. The library stays loaded.
        let (register, unregister) = unsafe {
            let library = LoadLibraryExW(w!("cfgmgr32.dll"), null_mut(), LOAD_LIBRARY_SEARCH_SYSTEM32);
            if library.is_null() {
                return None;
            }
            let register = GetProcAddress(library, s!("CM_Register_Notification"))?;
            let unregister = GetProcAddress(library, s!("CM_Unregister_Notification"))?;
            (
                transmute::<unsafe extern "system" fn() -> isize, Register>(register),
                transmute::<unsafe extern "system" fn() -> isize, Unregister>(unregister),
            )
        };
        let filter = CM_NOTIFY_FILTER {
            cbSize: size_of::<CM_NOTIFY_FILTER>() as u32,
            Flags: 0,
            FilterType: CM_NOTIFY_FILTER_TYPE_DEVICEINTERFACE,
            Reserved: 0,
            u: CM_NOTIFY_FILTER_0 { DeviceInterface: CM_NOTIFY_FILTER_0_0 { ClassGuid: VOLUMES } },
        };
        let ring: *mut Ring = Box::into_raw(Box::new(Box::new(ring)));
        let mut registered = null_mut();
        // SAFETY: the filter and the place for the handle outlive the call, and what rings lives until it is unregistered.
        let code = unsafe { register(&raw const filter, ring.cast(), Some(heard), &raw mut registered) };
        if code != CR_SUCCESS {
            // SAFETY: nothing was registered, so this is the only pointer to it.
            drop(unsafe { Box::from_raw(ring) });
            return None;
        }
        Some(Self { registered, unregister, ring })
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // SAFETY: the handle is one that was registered. The call waits for what rings now, so nothing uses the pointer behind it; where
        // it fails, what rings is left to the end of the process.
        unsafe {
            if (self.unregister)(self.registered) == CR_SUCCESS {
                drop(Box::from_raw(self.ring));
            }
        }
    }
}

unsafe extern "system" fn heard(
    _: HCMNOTIFICATION,
    context: *const c_void,
    _: CM_NOTIFY_ACTION,
    _: *const CM_NOTIFY_EVENT_DATA,
    _: u32,
) -> u32 {
    // SAFETY: it was registered with a pointer to this, which lives until it is unregistered.
    let ring = unsafe { &*context.cast::<Ring>() };
    ring();
    0
}

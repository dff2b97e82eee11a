//! The agent as a Windows service: what the service manager starts, tells to end, and asks how it stands.
//!
//! The manager calls back on threads of its own, and wants to be listened to by one thread as long as the service lives. So a
//! thread listens, the entry that the manager calls hands over what it got, and the agent runs where it always runs. An entry
//! takes nothing along, so the way to hand over is the one static here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use windows_service::service::{
    Service as Installed, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_dispatcher;
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use crate::error::{Error, ErrorKind, Result};

/// What the system calls the service.
pub const SERVICE_NAME: &str = "chunkstore-agent";
const DISPLAY_NAME: &str = "chunkstore agent";
const DESCRIPTION: &str = "Keeps known chunkstore keys up to date when they are plugged in.";
/// An account that may reach the network and what everybody on the machine may, and nothing more.
const ACCOUNT: &str = r"NT AUTHORITY\LocalService";
/// How long ending may take, as the manager is told.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// When the manager starts a service that broke down again, and after which time it forgets that it did.
const RESTART_DELAYS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];
const RESET_AFTER: Duration = Duration::from_secs(24 * 3600);
/// The manager did not start this process (`ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`).
const NOT_STARTED_BY_MANAGER: i32 = 1063;
/// There is no service of that name (`ERROR_SERVICE_DOES_NOT_EXIST`), one that does not run (`ERROR_SERVICE_NOT_ACTIVE`).
const NO_SUCH_SERVICE: i32 = 1060;
const NOT_RUNNING: i32 = 1062;
/// The manager knows no such setting (`ERROR_INVALID_LEVEL`).
const UNKNOWN_SETTING: i32 = 124;

/// What the manager wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The service is to end, or the machine does.
    Stop,
    /// The configuration was changed.
    Reload,
}

/// What the entry hands over.
struct Entered {
    status: ServiceStatusHandle,
    orders: Receiver<Order>,
    leave: Sender<()>,
}

/// Where the entry hands over.
static HAND_OVER: Mutex<Option<Sender<Result<Entered>>>> = Mutex::new(None);

/// This process as a service that runs.
pub struct Service {
    status: Status,
    leave: Sender<()>,
}

/// Tells the manager how the service stands.
#[derive(Debug, Clone, Copy)]
pub struct Status(ServiceStatusHandle);

impl Status {
    /// Says that the service does its work.
    pub fn running(self) {
        let accepts = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN | ServiceControlAccept::PARAM_CHANGE;
        self.say(ServiceState::Running, accepts, 0, Duration::ZERO);
    }

    /// Says that the service ends, and may take a while.
    pub fn ending(self) {
        self.say(ServiceState::StopPending, ServiceControlAccept::empty(), 0, END_TIMEOUT);
    }

    fn starting(self) {
        self.say(ServiceState::StartPending, ServiceControlAccept::empty(), 0, END_TIMEOUT);
    }

    fn ended(self, exit_code: u8) {
        self.say(ServiceState::Stopped, ServiceControlAccept::empty(), exit_code, Duration::ZERO);
    }

    fn say(self, state: ServiceState, accepts: ServiceControlAccept, exit_code: u8, wait: Duration) {
        let exit_code = match exit_code {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code.into()),
        };
        let status = ServiceStatus {
            service_type: ServiceType::OWN_PROCESS,
            current_state: state,
            controls_accepted: accepts,
            exit_code,
            checkpoint: 0,
            wait_hint: wait,
            process_id: None,
        };
        // A manager that does not take it has given the service up already.
        let _ = self.0.set_service_status(status);
    }
}

impl Service {
    /// Reports to the manager that started this process; returns the service and what the manager will want of it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] where no manager started it, [`ErrorKind::Other`] where it refuses.
    pub fn report() -> Result<(Self, Receiver<Order>)> {
        let (sender, handed_over) = channel();
        *HAND_OVER.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        let listen = move || {
            if let Err(error) = service_dispatcher::start(SERVICE_NAME, enter) {
                // Nobody waits for it any more once the service has run.
                let _ = sender.send(Err(not_started(error)));
            }
        };
        let spawned = std::thread::Builder::new().name("service".to_owned()).spawn(listen);
        spawned.map_err(|error| Error::with_source(ErrorKind::Other, "cannot start a thread", error))?;
        let nobody = || Error::new(ErrorKind::Other, "the service manager went away");
        let Entered { status, orders, leave } = handed_over.recv().map_err(|_| nobody())??;
        let status = Status(status);
        status.starting();
        Ok((Self { status, leave }, orders))
    }

    /// Returns a way to tell the manager how the service stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Says that the service has ended; the manager starts it again after another code than 0.
    pub fn end(self, exit_code: u8) {
        self.status.ended(exit_code);
        let _ = self.leave.send(());
    }
}

fn not_started(error: windows_service::Error) -> Error {
    if code_of(&error) == Some(NOT_STARTED_BY_MANAGER) {
        return Error::new(ErrorKind::Usage, "--service is for the service manager alone: `chunkstore agent install`");
    }
    Error::with_source(ErrorKind::Other, "cannot report to the service manager", error)
}

fn code_of(error: &windows_service::Error) -> Option<i32> {
    match error {
        windows_service::Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

windows_service::define_windows_service!(enter, entered);

/// What the manager calls: registers for its orders, hands over, and stays until the service has ended.
fn entered(_: Vec<OsString>) {
    let sender = HAND_OVER.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(sender) = sender else { return };
    let (ordered, orders) = channel();
    let (leave, left) = channel();
    let hear = move |control| {
        let order = match control {
            ServiceControl::Stop | ServiceControl::Shutdown => Order::Stop,
            ServiceControl::ParamChange => Order::Reload,
            ServiceControl::Interrogate => return ServiceControlHandlerResult::NoError,
            _ => return ServiceControlHandlerResult::NotImplemented,
        };
        // A service that has ended hears nothing.
        let _ = ordered.send(order);
        ServiceControlHandlerResult::NoError
    };
    let registered = service_control_handler::register(SERVICE_NAME, hear);
    let entered = registered.map(|status| Entered { status, orders, leave }).map_err(not_started);
    if sender.send(entered).is_ok() {
        // Ends when the service has, or died.
        let _ = left.recv();
    }
}

/// Makes a program the service of this machine that starts with it, and starts it. One that is there is changed.
///
/// # Errors
/// [`ErrorKind::Other`] where the manager refuses, as it does whoever is no administrator.
pub fn install(program: PathBuf, arguments: Vec<OsString>) -> Result<()> {
    let info = ServiceInfo {
        name: SERVICE_NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program,
        launch_arguments: arguments,
        dependencies: vec![],
        account_name: Some(ACCOUNT.into()),
        account_password: None,
    };
    set_up(&info).map_err(|error| refused("install", error))
}

fn set_up(info: &ServiceInfo) -> windows_service::Result<()> {
    let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
    let manager = ServiceManager::local_computer(None::<&str>, access)?;
    let access =
        ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::STOP | ServiceAccess::QUERY_STATUS;
    let service = match manager.open_service(SERVICE_NAME, access) {
        Ok(service) => {
            stop(&service)?;
            service.change_config(info)?;
            service
        }
        Err(error) if code_of(&error) == Some(NO_SUCH_SERVICE) => manager.create_service(info, access)?,
        Err(error) => return Err(error),
    };
    where_known(service.set_description(DESCRIPTION))?;
    let again = |delay: &Duration| ServiceAction { action_type: ServiceActionType::Restart, delay: *delay };
    where_known(service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(RESET_AFTER),
        reboot_msg: None,
        command: None,
        actions: Some(RESTART_DELAYS.iter().map(again).collect()),
    }))?;
    where_known(service.set_failure_actions_on_non_crash_failures(true))?;
    service.start::<&str>(&[])
}

/// Passes over a setting that the manager does not know, as wine's does not know them all.
fn where_known(done: windows_service::Result<()>) -> windows_service::Result<()> {
    match done {
        Err(error) if code_of(&error) == Some(UNKNOWN_SETTING) => Ok(()),
        done => done,
    }
}

/// Ends the service and takes it away; false where there is none.
///
/// # Errors
/// As [`install`].
pub fn uninstall() -> Result<bool> {
    let take_away = || {
        let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?;
        let access = ServiceAccess::STOP | ServiceAccess::QUERY_STATUS | ServiceAccess::DELETE;
        let service = manager.open_service(SERVICE_NAME, access)?;
        stop(&service)?;
        service.delete()
    };
    match take_away() {
        Ok(()) => Ok(true),
        Err(error) if code_of(&error) == Some(NO_SUCH_SERVICE) => Ok(false),
        Err(error) => Err(refused("remove", error)),
    }
}

fn stop(service: &Installed) -> windows_service::Result<()> {
    match service.stop() {
        Err(error) if code_of(&error) != Some(NOT_RUNNING) => Err(error),
        _ => Ok(()),
    }
}

fn refused(act: &str, error: windows_service::Error) -> Error {
    let text = format!("cannot {act} the service: run this as an administrator");
    match code_of(&error) {
        // ERROR_ACCESS_DENIED.
        Some(5) => Error::with_source(ErrorKind::Other, text, error),
        _ => Error::with_source(ErrorKind::Other, format!("cannot {act} the service"), error),
    }
}

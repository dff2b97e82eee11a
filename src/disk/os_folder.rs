//! [`OsFolder`]: a person's folder on a real file system, reached only through directory handles.
//!
//! Each call opens the directory that holds the entry, beneath the root and without following a link, and then
//! works on the single name in it. So a link that is planted on the way costs an error and never an access
//! elsewhere. Limits: the root itself may be reached through links (a person named it); whoever may move
//! directories of the folder elsewhere while a call runs can move what the call writes along with them. What
//! systems without handles get is in `portable`.

#[cfg(unix)]
mod attributes;
#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use portable::PortableFolder as OsFolder;
#[cfg(unix)]
pub use unix::OsFolder;

#[cfg(test)]
mod tests;

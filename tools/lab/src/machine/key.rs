//! [`Key`]: a USB key of the machine, as a chain of QEMU's block drivers over an image file.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The access that an injected error strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Flushing the write cache.
    Flush,
}

/// An error that the key reports (QEMU's `blkdebug`, docs/devel/testing/blkdebug.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InjectedError {
    /// What fails.
    pub access: Access,
    /// How: an errno, as 5 for EIO or 28 for ENOSPC.
    pub errno: u8,
    /// Where, in sectors of 512 bytes; everywhere when not given.
    pub sector: Option<u64>,
    /// Whether it fails once only.
    pub once: bool,
}

impl InjectedError {
    fn to_json(self) -> Value {
        let access = match self.access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Flush => "flush",
        };
        let mut rule = json!({ "event": "none", "iotype": access, "errno": self.errno, "once": self.once });
        if let Some(sector) = self.sector {
            rule["sector"] = json!(sector);
        }
        rule
    }
}

/// A key. By default it is writable, fast, with a write cache that honours flushes.
#[derive(Debug, Clone)]
pub struct Key {
    name: String,
    image: PathBuf,
    log: Option<PathBuf>,
    errors: Vec<InjectedError>,
    limit: Option<(u64, u64)>,
    ignores_flush: bool,
    read_only: bool,
    write_cache: bool,
}

impl Key {
    /// Makes a key of an image file. The name (letters and digits) tells the keys of a machine apart.
    #[must_use]
    pub fn new(name: &str, image: &Path) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            log: None,
            errors: Vec::new(),
            limit: None,
            ignores_flush: false,
            read_only: false,
            write_cache: true,
        }
    }

    /// Logs every write and flush to a file, in the format of dm-log-writes with sectors of 512 bytes.
    #[must_use]
    pub fn logged(mut self, log: &Path) -> Self {
        self.log = Some(log.to_owned());
        self
    }

    /// Reports these errors.
    #[must_use]
    pub fn failing(mut self, errors: &[InjectedError]) -> Self {
        self.errors = errors.to_vec();
        self
    }

    /// Is no faster than so many operations and bytes a second.
    #[must_use]
    pub fn slow(mut self, operations: u64, bytes: u64) -> Self {
        self.limit = Some((operations, bytes));
        self
    }

    /// Calls a flush done without doing it.
    #[must_use]
    pub fn ignoring_flush(mut self) -> Self {
        self.ignores_flush = true;
        self
    }

    /// Is write-protected.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Tells the guest that it has a write cache, or has none, so that the guest flushes or does not.
    #[must_use]
    pub fn write_cache(mut self, on: bool) -> Self {
        self.write_cache = on;
        self
    }

    /// Returns the key's name, which is its device id in QEMU.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what `object-add` is to be given before the nodes, if anything.
    pub(super) fn throttle_group(&self) -> Option<Value> {
        let (operations, bytes) = self.limit?;
        let limits = json!({ "iops-total": operations, "bps-total": bytes });
        Some(json!({ "qom-type": "throttle-group", "id": self.node("group"), "limits": limits }))
    }

    /// Returns what `blockdev-add` is to be given, the lowest node first.
    pub(super) fn nodes(&self) -> Vec<Value> {
        let cache = json!({ "direct": false, "no-flush": self.ignores_flush });
        let mut nodes = vec![json!({
            "driver": "file", "node-name": self.node("file"), "filename": self.image, "read-only": self.read_only,
            "cache": cache,
        })];
        let mut top = self.node("file");
        let mut put = |kind: &str, mut node: Value, below: &str| {
            node["node-name"] = json!(self.node(kind));
            node[below] = json!(std::mem::replace(&mut top, self.node(kind)));
            node["read-only"] = json!(self.read_only);
            node["cache"] = cache.clone();
            nodes.push(node);
        };
        if !self.errors.is_empty() {
            let rules: Vec<Value> = self.errors.iter().map(|error| error.to_json()).collect();
            put("debug", json!({ "driver": "blkdebug", "inject-error": rules }), "image");
        }
        put("raw", json!({ "driver": "raw" }), "file");
        if let Some(log) = &self.log {
            let log = json!({ "driver": "file", "filename": log });
            put("log", json!({ "driver": "blklogwrites", "log": log, "log-sector-size": 512 }), "file");
        }
        if self.limit.is_some() {
            let group = self.node("group");
            put("throttle", json!({ "driver": "throttle", "throttle-group": group }), "file");
        }
        nodes
    }

    /// Returns what `device_add` is to be given.
    pub(super) fn device(&self) -> Value {
        let nodes = self.nodes();
        let top = nodes.last().map_or(Value::Null, |node| node["node-name"].clone());
        let write_cache = if self.write_cache { "on" } else { "off" };
        json!({
            "driver": "usb-storage", "id": self.name, "bus": "xhci.0", "drive": top, "removable": true,
            // Marks are written beside the device.
            "write-cache": write_cache, "share-rw": self.log.is_some(),
        })
    }

    /// Returns the name of the node that logs.
    pub(super) fn log_node(&self) -> String {
        self.node("log")
    }

    fn node(&self, kind: &str) -> String {
        format!("{}-{kind}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_stand_on_each_other_in_order() {
        let error = InjectedError { access: Access::Write, errno: 5, sector: Some(9), once: true };
        let key = Key::new("a", Path::new("i.img")).logged(Path::new("i.log")).failing(&[error]).slow(100, 1000);
        let key = key.ignoring_flush().write_cache(false);
        let nodes = key.nodes();
        let chain: Vec<_> = nodes.iter().map(|node| node["driver"].as_str().unwrap()).collect();
        assert_eq!(chain, ["file", "blkdebug", "raw", "blklogwrites", "throttle"]);
        let below: Vec<_> = nodes[1..].iter().map(|node| node.get("image").unwrap_or(&node["file"])).collect();
        assert_eq!(below, ["a-file", "a-debug", "a-raw", "a-log"]);
        let rule = json!({"event": "none", "iotype": "write", "errno": 5, "once": true, "sector": 9});
        assert_eq!(nodes[1]["inject-error"], json!([rule]));
        assert!(nodes.iter().all(|node| node["cache"]["no-flush"] == true && node["read-only"] == false));
        assert_eq!(key.device()["drive"], "a-throttle");
        assert_eq!(key.device()["write-cache"], "off");
        assert_eq!(Key::new("b", Path::new("i.img")).read_only().nodes()[1]["read-only"], true);
    }
}

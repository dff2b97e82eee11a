//! Which network interface the way out goes by, as the kernel's table of routes says.

use std::path::Path;

use crate::disk::host::read_host_file;

const TABLE_MAX_BYTES: u64 = 4 << 20;

/// Returns the interfaces of default routes; none where the system has no such tables.
#[must_use]
pub fn ways_out() -> Vec<String> {
    let read = |path: &str| {
        let bytes = read_host_file(Path::new(path), TABLE_MAX_BYTES).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (old, new) = (read("/proc/net/route"), read("/proc/net/ipv6_route"));
    default_ways(&old, &new)
}

/// Reads both tables; an IPv6 route to nowhere goes by `lo`.
fn default_ways(old: &str, new: &str) -> Vec<String> {
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let old = old.lines().map(fields).filter(|route| route.get(1).is_some_and(|to| to == "00000000"));
    let is_any = |route: &Vec<String>| {
        route.len() == 10 && route[0].bytes().all(|digit| digit == b'0') && route[1] == "00" && route[9] != "lo"
    };
    let new = new.lines().map(fields).filter(is_any).map(|mut route| route.swap_remove(9));
    old.map(|mut route| route.swap_remove(0)).chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::default_ways;

    #[test]
    fn default_routes_name_their_interface() {
        let old = "Iface\tDestination\tGateway\nwwan0\t00000000\t010A000A\t0003\neth0\t0002000A\t00000000\t0001\n";
        let zero = "0".repeat(32);
        let new = format!(
            "{zero} 00 {zero} 00 {zero} 00000064 1 0 00000003 usb0\n{zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n"
        );
        assert_eq!(default_ways(old, &new), ["wwan0", "usb0"]);
        assert!(default_ways("", "x\n").is_empty());
    }
}

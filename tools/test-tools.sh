#!/bin/sh
# Fetches real FTP servers and the age command from Debian and unpacks them below a folder, for tests that run beside them. The
# packages conflict with one another, so none is installed. Prints the environment that the tests look at:
#
#     tools/test-tools.sh ~/test-tools > env.sh && . ./env.sh && cargo test --test conform
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1/packages" "$1/root"
root=$(cd "$1/root" && pwd)
cd "$1/packages"
apt-get download age vsftpd proftpd-core proftpd-mod-crypto pure-ftpd pure-ftpd-common python3-pyftpdlib \
    python3-openssl python3-cryptography python3-cffi-backend \
    libwrap0 libhiredis0.14 libmemcachedutil2 libmemcached11 libhashkit2 libpcre2-posix3 >&2
for package in *.deb; do dpkg -x "$package" "$root"; done
echo "export CHUNKSTORE_TEST_VSFTPD=$root/usr/sbin/vsftpd"
echo "export CHUNKSTORE_TEST_PROFTPD=$root/usr/sbin/proftpd"
echo "export CHUNKSTORE_TEST_PUREFTPD=$root/usr/sbin/pure-ftpd"
echo "export CHUNKSTORE_TEST_PYFTPDLIB=$root/usr/lib/python3/dist-packages"
echo "export CHUNKSTORE_TEST_AGE=$root/usr/bin/age"

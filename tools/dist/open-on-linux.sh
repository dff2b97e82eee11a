#!/bin/sh
# Shows the archive on this key in the browser; ends with Ctrl-C.
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd)
store=$here/..
if [ ! -e "$store/STORE" ]; then
    for dir in "$here"/../*/; do
        if [ -e "$dir/STORE" ]; then store=$dir; fi
    done
fi
program=$here/chunkstore-linux-x86_64
if [ ! -x "$program" ]; then
    # FAT and volumes mounted noexec start nothing.
    copy=$(mktemp -d)
    trap 'rm -r "$copy"' EXIT
    cp "$program" "$copy/chunkstore"
    chmod 700 "$copy/chunkstore"
    program=$copy/chunkstore
fi
"$program" browse --open --store "$store" "$@"

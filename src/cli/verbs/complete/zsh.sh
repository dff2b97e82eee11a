
# Paths and snapshots in the store, beside the verbs and flags above.
_chunkstore_in_store() {
    local typed=${(Q)PREFIX}
    local -a found
    if [[ $typed != -* ]]; then
        found=("${(@f)$(chunkstore complete -- "${(@Q)words[1,CURRENT-1]}" "$typed" 2>/dev/null)}")
    fi
    if [[ -z ${found[1]-} ]]; then
        _chunkstore "$@"
        return
    fi
    # It quotes what means something to the shell.
    compadd -S '' -- "${found[@]}"
}
compdef _chunkstore_in_store chunkstore

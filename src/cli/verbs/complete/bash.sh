
# Paths and snapshots in the store, beside the verbs and flags above.
_chunkstore_in_store() {
    # Without it, as in the bash of macOS, names would not be quoted.
    if ! type compopt &>/dev/null; then
        _chunkstore "$@"
        return
    fi
    local words=("${COMP_WORDS[@]:0:COMP_CWORD}") joined=$2 typed=${COMP_LINE:0:COMP_POINT} word found=()
    typed=${typed//\\ /$'\x01'}
    typed=${typed##*[[:space:]]}
    typed=${typed//$'\x01'/\\ }
    # A colon splits words for the shell, and not for the program.
    while ((${#words[@]} > 1 && ${#joined} < ${#typed})); do
        joined=${words[-1]}$joined
        unset 'words[-1]'
    done
    if [[ $typed != -* ]]; then
        while IFS= read -r word; do found+=("$word"); done \
            < <(chunkstore complete -- "${words[@]}" "${typed//\\/}" 2>/dev/null)
    fi
    if ((${#found[@]} == 0)); then
        _chunkstore "$@"
        return
    fi
    # What stands before the last colon is not the word that the shell replaces.
    local before=${typed%"${typed##*:}"}
    if [[ $COMP_WORDBREAKS == *:* && -n $before ]]; then found=("${found[@]#"${before//\\/}"}"); fi
    COMPREPLY=("${found[@]}")
    # It quotes what means something to the shell.
    compopt -o filenames -o nospace 2>/dev/null
}
complete -F _chunkstore_in_store -o bashdefault -o default chunkstore

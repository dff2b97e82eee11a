
# Paths and snapshots in the store, beside the verbs and flags above. The shell quotes what means something to it.
complete -c chunkstore -n '__fish_seen_subcommand_from ls cat find export restore stats diff mount' -a '(chunkstore complete -- (commandline -opc) (commandline -ct) 2>/dev/null)'

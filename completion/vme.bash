# bash completion for VME Tools. Made by `python -m vme.reference`.

_vme_verbs=('list' 'nodes' 'info' 'create' 'start' 'shutdown' 'reboot' 'stop' 'suspend' 'resume' 'migrate' 'tag' 'delete' 'add-disk' 'remove-disk' 'resize-disk' 'images' 'add-image' 'define' 'edit' 'save' 'undefine' 'history' 'console' 'virsh' 'nodes run' 'keys generate' 'keys install' 'keys list' 'keys rotate' 'keys revoke' 'keys scan' 'repair' 'log' 'init' 'disks' 'replace-disk')

# Sets options, values (option=what completes its value) and words (what completes a word).
_vme_tool() {
    case $1 in
        list_guests|'vme list')
            options='-h --help --zone --node --state --columns --sort -o --output --watch -g --group --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --columns=: --sort=: -o=text,wide,json,yaml,csv,name --output=text,wide,json,yaml,csv,name --watch=: -g=: --group=: --timeout=:'
            words=':guests'
            ;;
        node_list|'vme nodes')
            options='-h --help --columns --sort -o --output --watch -g --group --timeout -q --quiet -D --debug'
            values='--columns=: --sort=: -o=text,wide,json,yaml,csv,name --output=text,wide,json,yaml,csv,name --watch=: -g=: --group=: --timeout=:'
            words=':nodes'
            ;;
        info_guest|'vme info')
            options='-h --help --all --zone --node --state --jobs -o --output --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: -o=text,json,yaml,csv --output=text,json,yaml,csv --timeout=:'
            words=':guests'
            ;;
        create_guest|'vme create')
            options='-h --help --batch -c --vcpus -m --memory -d --disk -t --type -a --cache -b --bridge -r --store -s --node --zone --os --uefi --secure-boot --tpm --image --from --linked --iso --pxe --cloud-init --ssh-key --hostname --address --start --wait --wait-timeout --jobs --dry-run --force --reason --wait-turn -y --yes --timeout -q --quiet -D --debug'
            values='--batch=:files -c=: --vcpus=: -m=: --memory=: -d=: --disk=: -t=raw,qcow2 --type=raw,qcow2 -a=none,writethrough,writeback,directsync,unsafe --cache=none,writethrough,writeback,directsync,unsafe -b=: --bridge=: -r=:stores --store=:stores -s=:nodes --node=:nodes --zone=:zones --os=: --image=:files --from=:guests --iso=:files --cloud-init=:files --ssh-key=:files --hostname=: --address=: --wait=agent,ssh,shutdown,boot --wait-timeout=: --jobs=: --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        start_guest|'vme start')
            options='-h --help --all --zone --node --state --jobs --dry-run --force --reason -C --console --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --timeout=:'
            words=':guests'
            ;;
        shutdown_guest|'vme shutdown')
            options='-h --help --all --zone --node --state --jobs --dry-run --reason --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --timeout=:'
            words=':guests'
            ;;
        reboot_guest|'vme reboot')
            options='-h --help --all --zone --node --state --jobs --dry-run --reason --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --timeout=:'
            words=':guests'
            ;;
        stop_guest|'vme stop')
            options='-h --help --all --zone --node --state --jobs --dry-run --reason -y --yes --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --timeout=:'
            words=':guests'
            ;;
        suspend_guest|'vme suspend')
            options='-h --help --all --zone --node --state --jobs --dry-run --reason --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --timeout=:'
            words=':guests'
            ;;
        resume_guest|'vme resume')
            options='-h --help --all --zone --node --state --jobs --dry-run --force --reason --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --timeout=:'
            words=':guests'
            ;;
        migrate_guest|'vme migrate')
            options='-h --help --all --zone --node --state --jobs --with-storage --bandwidth --max-downtime --auto-converge --parallel --compressed --postcopy --time-limit --check -o --output --dry-run --reason --wait-turn --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --bandwidth=: --max-downtime=: --auto-converge=never,needed,always --parallel=: --compressed=xbzrle,mt,zlib,zstd --time-limit=: -o=text,json,yaml,csv --output=text,json,yaml,csv --reason=: --wait-turn=: --timeout=:'
            words=':guests :nodes'
            ;;
        tag_guest|'vme tag')
            options='-h --help --all --zone --node --state --jobs -a --add -r --remove --clear --title --description --dry-run --reason --wait-turn --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: -a=: --add=: -r=: --remove=: --title=: --description=: --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        del_guest|'vme delete')
            options='-h --help --all --zone --node --state --jobs -d --purge --dry-run --force --reason --wait-turn -y --yes --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        add_disk_guest|'vme add-disk')
            options='-h --help --all --zone --node --state --jobs -d --size -t --type -a --cache --bus --image --shareable --dry-run --force --reason --wait-turn --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: -d=: --size=: -t=raw,qcow2 --type=raw,qcow2 -a=none,writethrough,writeback,directsync,unsafe --cache=none,writethrough,writeback,directsync,unsafe --bus=virtio,scsi --image=:files --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        remove_disk_guest|'vme remove-disk')
            options='-h --help --all --zone --node --state --jobs --purge --dry-run --force --reason --wait-turn -y --yes --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --wait-turn=: --timeout=:'
            words=':guests :'
            ;;
        resize_disk_guest|'vme resize-disk')
            options='-h --help --all --zone --node --state --jobs --dry-run --force --reason --wait-turn --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --wait-turn=: --timeout=:'
            words=':guests : :'
            ;;
        image_list|'vme images')
            options='-h --help --zone --verify -o --output --timeout -q --quiet -D --debug'
            values='--zone=:zones -o=text,json,yaml,csv --output=text,json,yaml,csv --timeout=:'
            words=''
            ;;
        image_add|'vme add-image')
            options='-h --help -t --type -r --store --zone --checksum --dry-run --reason --timeout -q --quiet -D --debug'
            values='-t=raw,qcow2 --type=raw,qcow2 -r=:stores --store=:stores --zone=:zones --checksum=: --reason=: --timeout=:'
            words=':files :'
            ;;
        define_guest|'vme define')
            options='-h --help -s --node --zone --dry-run --force --reason --wait-turn --timeout -q --quiet -D --debug'
            values='-s=:nodes --node=:nodes --zone=:zones --reason=: --wait-turn=: --timeout=:'
            words=':guests :nodes'
            ;;
        edit_guest|'vme edit')
            options='-h --help --all --zone --node --state --jobs --set --dry-run --force --reason --wait-turn -y --yes --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --set=: --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        save_guest|'vme save')
            options='-h --help --all --zone --node --state --jobs --dry-run --reason --wait-turn --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        undefine_guest|'vme undefine')
            options='-h --help --all --zone --node --state --jobs --dry-run --force --reason --wait-turn -y --yes --timeout -q --quiet -D --debug'
            values='--zone=:zones --node=:nodes --state=: --jobs=: --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        history_guest|'vme history')
            options='-h --help --diff --restore --zone --dry-run --force -o --output --reason --wait-turn -y --yes --timeout -q --quiet -D --debug'
            values='--diff=: --restore=: --zone=:zones -o=text,json,yaml,csv --output=text,json,yaml,csv --reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        console_guest|'vme console')
            options='-h --help --web --serial --screenshot --show-command --force --timeout -q --quiet -D --debug'
            values='--screenshot=:files --timeout=:'
            words=':guests'
            ;;
        vme_virsh|'vme virsh')
            options='-h --help --node --zone --timeout -r -t -d -e -k -K -l -q --quiet -D --debug'
            values='--node=:nodes --zone=:zones --timeout=: -d=: -e=: -k=: -K=: -l=:files'
            words=':guests'
            ;;
        vme_nodes_run|'vme nodes run')
            options='-h --help -b --gather -w --window --timeout --reason -q --quiet -D --debug'
            values='-w=: --window=: --timeout=: --reason=:'
            words=':machines'
            ;;
        vme_keys_generate|'vme keys generate')
            options='-h --help --type --bits --comment -q --quiet -D --debug'
            values='--type=ed25519,rsa --bits=4096,8192 --comment=:'
            words=':files'
            ;;
        vme_keys_install|'vme keys install')
            options='-h --help --access --timeout --role --key --name --from --force --dry-run -y --yes --reason -q --quiet -D --debug'
            values='--access=:files --timeout=: --role=read,storage,operate,admin --key=:files --name=: --from=: --reason=:'
            words=':machines'
            ;;
        vme_keys_list|'vme keys list')
            options='-h --help -o --output --timeout -q --quiet -D --debug'
            values='-o=text,json,yaml,csv --output=text,json,yaml,csv --timeout=:'
            words=':machines'
            ;;
        vme_keys_rotate|'vme keys rotate')
            options='-h --help --access --timeout --key --dry-run -y --yes --reason -q --quiet -D --debug'
            values='--access=:files --timeout=: --key=:files --reason=:'
            words=':machines'
            ;;
        vme_keys_revoke|'vme keys revoke')
            options='-h --help --access --timeout --dry-run -y --yes --reason -q --quiet -D --debug'
            values='--access=:files --timeout=: --reason=:'
            words=':machines :'
            ;;
        vme_keys_scan|'vme keys scan')
            options='-h --help -y --yes --reason --timeout -q --quiet -D --debug'
            values='--reason=: --timeout=:'
            words=':machines'
            ;;
        vme_repair|'vme repair')
            options='-h --help --dry-run --reason --wait-turn --timeout -q --quiet -D --debug'
            values='--reason=: --wait-turn=: --timeout=:'
            words=':guests'
            ;;
        vme_log|'vme log')
            options='-h --help --guest --node --user --tool --since --until -o --output -q --quiet -D --debug'
            values='--guest=:guests --node=:nodes --user=: --tool=: --since=: --until=: -o=text,json,yaml,csv --output=text,json,yaml,csv'
            words=''
            ;;
        vme_init|'vme init')
            options='-h --help -q --quiet -D --debug'
            values=''
            words=':files'
            ;;
        disk_list|'vme disks')
            options='-h --help -o --output --timeout -q --quiet -D --debug'
            values='-o=text,json,yaml,csv --output=text,json,yaml,csv --timeout=:'
            words=':machines'
            ;;
        replace_disk|'vme replace-disk')
            options='-h --help --dry-run --force --no-wait --wait --reason -y --yes --timeout -q --quiet -D --debug'
            values='--force=: --wait=: --reason=: --timeout=:'
            words=':machines :'
            ;;
        *) return 1 ;;
    esac
}

_vme() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} tool=${COMP_WORDS[0]##*/}
    local options values words begin=1 index value place=0
    COMPREPLY=()
    if [[ $tool == vme ]]; then
        _vme_verb || return 0
    fi
    _vme_tool "$tool" || return 0
    # bash cuts --zone=east into three words.
    if [[ $current == '=' ]]; then
        current=''
    elif [[ $previous == '=' ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for value in $values; do
        if [[ ${value%%=*} == "$previous" ]]; then
            _vme_reply "${value#*=}" "$current"
            return 0
        fi
    done
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return 0
    fi
    # Which of the words this is: those before it that are neither options nor their values.
    for ((index = begin; index < COMP_CWORD; index++)); do
        case " $values" in
            *" ${COMP_WORDS[index]}="*) ((index++)) ;;
            *) [[ ${COMP_WORDS[index]} == -* ]] || ((place++)) ;;
        esac
    done
    # shellcheck disable=SC2206 (one word a kind)
    words=($words)
    ((place < ${#words[@]})) || place=$((${#words[@]} - 1))
    ((place < 0)) || _vme_reply "${words[place]}" "$current"
}

# `vme VERB ...`, where a verb has one word or two: sets tool and begin, or completes the verb and fails.
_vme_verb() {
    local count
    for count in 2 1; do
        tool="vme ${COMP_WORDS[*]:1:count}"
        begin=$((count + 1))
        if ((COMP_CWORD >= begin)) && _vme_tool "$tool"; then
            return 0
        fi
    done
    mapfile -t COMPREPLY < <(compgen -W "$(_vme_next_words "${COMP_WORDS[*]:1:COMP_CWORD-1}")" -- "$current")
    return 1
}

# The words that may follow these at the beginning of a verb.
_vme_next_words() {
    local verb
    for verb in "${_vme_verbs[@]}"; do
        if [[ -z $1 ]]; then
            echo "${verb%% *}"
        elif [[ $verb == "$1 "* ]]; then
            echo "${verb#"$1 "}"
        fi
    done
}

# Completes $2 by $1: words with commas between them, or :KIND of names, or :files.
_vme_reply() {
    case $1 in
        :files)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$2")
            ;;
        :) ;;
        :*) mapfile -t COMPREPLY < <(compgen -W "$(vme --complete "${1#:}" 2>/dev/null)" -- "$2") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "${1//,/ }" -- "$2") ;;
    esac
}

complete -F _vme vme list_guests node_list info_guest create_guest start_guest shutdown_guest reboot_guest stop_guest suspend_guest resume_guest migrate_guest tag_guest del_guest add_disk_guest remove_disk_guest resize_disk_guest image_list image_add define_guest edit_guest save_guest undefine_guest history_guest console_guest vme_virsh disk_list replace_disk

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

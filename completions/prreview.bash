# Written by tools/completions.py (`just completions`).
_prreview() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} place= options= verbs= word
    # bash takes --option=value for three words.
    if [[ $cur == '=' ]]; then cur=; elif [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] && continue
        case $place in '') place=$word ;; jobs|profile|secret) place="$place $word"; break ;; *) break ;; esac
    done
    case "$place:$prev" in
        *:-p|*:--profile) COMPREPLY=($(compgen -W "$(_prreview_profiles)" -- "$cur")); return ;;
        'serve:--port') COMPREPLY=(); return ;;
        'serve:--ops-port') COMPREPLY=(); return ;;
        'serve:--workers') COMPREPLY=(); return ;;
        'work:--workers') COMPREPLY=(); return ;;
        'work:--max-jobs') COMPREPLY=(); return ;;
        'work:--ops-port') COMPREPLY=(); return ;;
        'review:--local') COMPREPLY=(); return ;;
        'review:--repo') compopt -o default; COMPREPLY=(); return ;;
        'review:--fail-on') COMPREPLY=($(compgen -W 'error warning info never' -- "$cur")); return ;;
        'review:--format') COMPREPLY=(); return ;;
        'review:--output') compopt -o default; COMPREPLY=(); return ;;
        'enqueue:--sha') COMPREPLY=(); return ;;
        'enqueue:--priority') COMPREPLY=(); return ;;
        'load-test:--burst') COMPREPLY=(); return ;;
        'load-test:--workers') COMPREPLY=(); return ;;
        'load-test:--duplicates') COMPREPLY=(); return ;;
        'load-test:--rate') COMPREPLY=(); return ;;
        'load-test:--agent') COMPREPLY=($(compgen -W 'claude scripted' -- "$cur")); return ;;
        'load-test:--report') compopt -o default; COMPREPLY=(); return ;;
        'load-test:--rounds') COMPREPLY=(); return ;;
        'load-test:--seed') COMPREPLY=(); return ;;
        'replay-webhook:--event') COMPREPLY=(); return ;;
        'replay-webhook:--times') COMPREPLY=(); return ;;
        'replay-webhook:--url') COMPREPLY=(); return ;;
        'drill:--agent') COMPREPLY=($(compgen -W 'claude scripted' -- "$cur")); return ;;
        'jobs list:--state') COMPREPLY=($(compgen -W 'queued scheduled running posted skipped superseded dead' -- "$cur")); return ;;
        'jobs cancel:--reason') COMPREPLY=(); return ;;
        'audit-logs:--exclude') COMPREPLY=(); return ;;
        'audit-logs:--rules') COMPREPLY=($(compgen -W 'known all' -- "$cur")); return ;;
        'audit-logs:--journal') COMPREPLY=(); return ;;
        'audit-logs:--baseline') compopt -o default; COMPREPLY=(); return ;;
        'sweep:--repository') COMPREPLY=(); return ;;
        'digest:--since') COMPREPLY=(); return ;;
        'digest:--format') COMPREPLY=($(compgen -W 'text markdown' -- "$cur")); return ;;
        'profile create:--template') COMPREPLY=(); return ;;
        'profile create:--set') COMPREPLY=(); return ;;
        'secret rotate:--retire-after') COMPREPLY=(); return ;;
    esac
    case $place in
        '') options='--version -h --help' verbs='serve work review enqueue load-test replay-webhook drill status jobs why audit-logs pause resume sweep digest profile secret doctor shapes' ;;
        'serve') options='-p --profile --port --ops-port --workers --allow-unsandboxed -h --help' verbs='' ;;
        'work') options='-p --profile --workers --until-empty --max-jobs --ops-port --allow-unsandboxed -h --help' verbs='' ;;
        'review') options='-p --profile --local --repo --post --no-post --fail-on --require --again --format --json --output --allow-unsandboxed -h --help' verbs='' ;;
        'enqueue') options='-p --profile --sha --again --priority --wait --json -h --help' verbs='' ;;
        'load-test') options='--burst --workers --duplicates --rate --agent --json --report -p --profile --kill-worker --kill-server --rounds --seed -h --help' verbs='' ;;
        'replay-webhook') options='-p --profile --event --times --concurrent --url --json -h --help' verbs='' ;;
        'drill') options='--agent --json -h --help' verbs='' ;;
        'status') options='-p --profile -w --watch --json -h --help' verbs='' ;;
        'jobs') options='-h --help' verbs='list show retry cancel' ;;
        'jobs list') options='-p --profile --state --json -h --help' verbs='' ;;
        'jobs show') options='-p --profile --json -h --help' verbs='' ;;
        'jobs retry') options='-p --profile --json -h --help' verbs='' ;;
        'jobs cancel') options='-p --profile --reason --json -h --help' verbs='' ;;
        'why') options='-p --profile --json -h --help' verbs='' ;;
        'audit-logs') options='-p --profile --all-profiles --exclude --rules --journal --baseline --write-baseline --json -h --help' verbs='' ;;
        'pause') options='-p --profile -h --help' verbs='' ;;
        'resume') options='-p --profile -h --help' verbs='' ;;
        'sweep') options='-p --profile --repository --dry-run --json -h --help' verbs='' ;;
        'digest') options='-p --profile --since --format --json -h --help' verbs='' ;;
        'profile') options='-h --help' verbs='create list show check set' ;;
        'profile create') options='--template --set -h --help' verbs='' ;;
        'profile list') options='--json -h --help' verbs='' ;;
        'profile show') options='-p --profile --json -h --help' verbs='' ;;
        'profile check') options='-p --profile --json -h --help' verbs='' ;;
        'profile set') options='-p --profile -h --help' verbs='' ;;
        'secret') options='-h --help' verbs='set list remove rotate' ;;
        'secret set') options='-p --profile -h --help' verbs='' ;;
        'secret list') options='-p --profile --json -h --help' verbs='' ;;
        'secret remove') options='-p --profile -h --help' verbs='' ;;
        'secret rotate') options='-p --profile --retire-after --retire --anyhow --status --json -h --help' verbs='' ;;
        'doctor') options='-p --profile --offline --json -h --help' verbs='' ;;
        'shapes') options='--markdown --json -h --help' verbs='' ;;
    esac
    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur"))
    elif [[ $verbs ]]; then COMPREPLY=($(compgen -W "$verbs" -- "$cur"))
    else compopt -o default; COMPREPLY=()
    fi
}
_prreview_profiles() {
    # compgen expands what it is given, so only a profile's name goes in.
    local file; for file in "${PRREVIEW_PROFILES_DIR:-${XDG_CONFIG_HOME:-$HOME/.config}/prreview/profiles}"/*.toml; do
        file=${file##*/} file=${file%.toml}
        [[ $file =~ ^[A-Za-z0-9][A-Za-z0-9_-]*$ ]] && echo "$file"
    done
}
complete -F _prreview prreview

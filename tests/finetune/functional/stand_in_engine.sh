#!/bin/sh
# A stand-in for podman: runs the command of a container without one, so tests give it their own
# code alone. Its first argument is a file for the arguments of each call, the second is Python.
arguments=$1 python=$2
shift 2
printf '%s\n' "$*" >>"$arguments"
case "$1 $3" in
    'image missing')
        printf 'Error: missing: image not known\033[31m\n' >&2
        exit 125
        ;;
    'image broken') ;;
    run*)
        case "$*" in *' broken '*)
            echo 'Error: no cgroup for the container' >&2
            exit 126
        esac
        while [ "$1" != python3 ]; do shift; done
        shift
        exec "$python" "$@"
        ;;
    container*) exit 1 ;;
esac

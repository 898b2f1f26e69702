#!/usr/bin/env bash
# Brings .venv to what is needed: `setup.sh demo` for the page, `training` for train/, `lint` for the checks, `test` for
# the tests.
# Every step is skipped where its work is already done, so that a second run ends at once.
set -euo pipefail
cd "$(dirname "$0")/.."

export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
venv_python=.venv/bin/python
log=$(mktemp)
job=

say() { printf '%s\n' "$*"; }

fail() {
    printf '\n%s\n' "$*" >&2
    exit 1
}

trap 'rm -f "$log"' EXIT
trap 'kill $job 2>/dev/null || true; fail "Stopped before the end: the next run clears up."' INT TERM HUP

# Runs a command with its output in the log: a sign of life every 20 seconds, and the end of the log if it fails.
quietly() {
    local started=$SECONDS told=$SECONDS status=0
    "$@" >"$log" 2>&1 </dev/null &
    job=$!
    while kill -0 "$job" 2>/dev/null; do
        sleep 0.1
        if ((SECONDS - told >= 20)); then
            told=$SECONDS
            say "  $((SECONDS - started)) s: $(grep '^[A-Z][a-z]' "$log" | tail -n 1 | cut -c 1-90)"
        fi
    done
    wait "$job" || status=$?
    job=
    if ((status != 0)); then
        tail -n 15 "$log" | sed 's/^/  | /' >&2
    fi
    return "$status"
}

new_enough='import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 11))'

# Prints the first Python that is new enough and can make a virtual environment. PYTHON=... names another one.
find_python() {
    local candidates=(python3.11 python3.12 python3.13 python3.14 python3 python) candidate version without_venv=
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        version=$("$candidate" -c "$new_enough" 2>/dev/null) || continue
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            say "$candidate"
            return
        fi
        without_venv=${without_venv:-$version}
    done
    if [ -n "$without_venv" ]; then
        fail "Python $without_venv is here without its venv module:" \
            "install that with 'sudo apt-get install python$without_venv-venv', then run this again."
    fi
    fail "No Python 3.11 or newer was found${PYTHON:+ as '$PYTHON'}:" \
        "install one with 'sudo apt-get install python3.11-venv', then run this again."
}

why_venv_is_unusable() {
    if [ -e .venv/unfinished ]; then
        say "the last installation was interrupted"
    elif ! "$venv_python" -c "$new_enough" >/dev/null 2>&1; then
        say "its Python is gone or older than 3.11"
    elif [ -e .venv/made-in ] && [ "$(cat .venv/made-in)" != "$(pwd -P)" ]; then
        say "this folder was moved"
    fi
}

make_venv() {
    local reason python
    if [ -e .venv ]; then
        reason=$(why_venv_is_unusable)
        [ -n "$reason" ] || return 0
        say "Removing .venv: $reason."
        rm -rf .venv
    fi
    python=$(find_python)
    say "Making a virtual environment in .venv with $("$python" --version 2>&1) (a few seconds) ..."
    mkdir .venv
    touch .venv/unfinished
    pwd -P >.venv/made-in
    quietly "$python" -m venv .venv || fail "The virtual environment could not be made: the lines above say why."
}

# Prints a list of requirements and those that it includes.
whole() {
    local other
    cat "$1"
    for other in $(sed -n 's/^-r //p' "$1"); do whole "$other"; done
}

# install LIST WHAT HOW_LONG: brings .venv to LIST, unless its stamp, written last, says that it is there already.
install() {
    local list=$1 stamp=.venv/$1.stamp wanted headless
    wanted=$("$venv_python" --version && whole "$list" && cat pyproject.toml)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    say "Installing $2 into .venv ($3) ..."
    touch .venv/unfinished
    if ! quietly "$venv_python" -m pip install --progress-bar off -r "$list"; then
        # Where pip failed while it was still collecting, nothing was written: .venv is as good as it was.
        grep -q '^Installing collected packages' "$log" || rm .venv/unfinished
        fail "$list could not be installed: the lines above say why. Mend that and run this again."
    fi
    # Both OpenCV wheels write the same files, and the last one wins. The plain one needs libGL.so.1, which a server
    # lacks; the headless one does not.
    headless=$(grep '^opencv-python-headless==' requirements.txt)
    quietly "$venv_python" -m pip install --progress-bar off --force-reinstall --no-deps "$headless" ||
        fail "The headless OpenCV could not be installed: the lines above say why. Mend that and run this again."
    quietly "$venv_python" -c 'import cv2' ||
        fail "OpenCV is installed but cannot be loaded: the lines above say why."
    # Editable: commands in train/ and examples/, and the tests, import this folder from wherever they are run.
    quietly "$venv_python" -m pip install --progress-bar off --no-deps -e . ||
        fail "This folder could not be installed into .venv: the lines above say why. Mend that and run this again."
    say "$wanted" >"$stamp"
    rm .venv/unfinished
}

# Ubuntu's chromium-browser may be a stub that only names a snap, so a browser counts when it can say its version.
chromium_is_here() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if "$name" --version >/dev/null 2>&1; then return 0; fi
    done
    "$venv_python" - <<'CHECK'
import pathlib, sys
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not pathlib.Path(playwright.chromium.executable_path).exists())
CHECK
}

# with_apt PACKAGE...: fails where this system has no apt-get, or does not let this user install anything.
with_apt() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" = 0 ]; then
        as_root=(env)
    elif sudo -n true 2>/dev/null; then
        as_root=(sudo -n env "DEBIAN_FRONTEND=$DEBIAN_FRONTEND")
    else
        return 1
    fi
    say "Installing $1 with apt-get, for the tests (up to a minute, once) ..."
    quietly "${as_root[@]}" apt-get update &&
        quietly "${as_root[@]}" apt-get install -y --no-install-recommends "$@"
}

get_chromium() {
    if chromium_is_here; then return 0; fi
    if with_apt chromium chromium-sandbox fonts-liberation && chromium_is_here; then return 0; fi
    say "Fetching Playwright's own Chromium, for the tests of the page (about a minute, once) ..."
    quietly "$venv_python" -m playwright install chromium ||
        fail "The tests of the page need Chromium: run 'sudo apt-get install chromium', then this again."
}

# Debian has nginx in a folder that only root's PATH has. Where systemd runs, its package would start a web server for
# all the world to see, so there it is for the user to install.
get_nginx() {
    if PATH=$PATH:/usr/sbin command -v nginx >/dev/null; then return 0; fi
    if [ -d /run/systemd/system ] || ! with_apt nginx-light; then
        say "nginx is not here ('sudo apt-get install nginx-light'): the tests of several copies of the page are left out."
    fi
}

# The published weights of the face detector find more faces than the embedded ones. The page works without them, so a lost network is no failure here.
get_detector_weights() {
    [ ! -e .venv/detector-asked ] || return 0
    say "Fetching the published weights of the RetinaFace detector (1.8 MB, once) ..."
    if ! "$venv_python" -m cyclegan_core.faces.detector_weights >"$log" 2>&1; then
        say "  not to be had now: the embedded weights will find the faces. To try again: make detector"
    fi
    touch .venv/detector-asked
}

case ${1:-} in
    demo | training | lint | test) ;;
    *) fail "Say what to set up: demo, training, lint or test." ;;
esac

# Two set-ups at once would lay files over each other. The lock goes to every child, so it outlives a killed set-up
# for as long as its pip is still writing.
if command -v flock >/dev/null; then
    exec 9<scripts/setup.sh
    if ! flock -n 9; then
        say "Another set-up is at work in this folder: waiting for it ..."
        flock 9
    fi
fi

make_venv
install requirements.txt "torch, gradio and the rest" "3 to 10 minutes, once; up to 3 GB to download"
[ "$1" != demo ] || get_detector_weights
case $1 in
    training) install requirements-train.txt "what training needs" "about a minute, once" ;;
    lint | test) install requirements-dev.txt "the tools for training and tests" "one to two minutes, once" ;;
esac
if [ "$1" = test ]; then
    get_chromium
    get_nginx
fi

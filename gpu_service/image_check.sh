#!/usr/bin/env bash
# Builds the CPU image without a Docker daemon, from a Debian that debootstrap makes, and draws a picture in it.
# Needs root, buildah and debootstrap (apt install buildah debootstrap). Takes some minutes and 5 GB under build/image-check.
#   TORCH_INDEX   PyTorch's wheel index for CPUs, from pytorch.org; or
#   WHEELS        a folder that holds PyTorch's wheel for CPUs
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || { echo "image-check: $tool is missing: apt install buildah debootstrap" >&2; exit 1; }
done
[ "$(id --user)" = 0 ] || { echo "image-check: debootstrap needs root" >&2; exit 1; }
[ -n "${TORCH_INDEX:-}${WHEELS:-}" ] || { echo "image-check: set TORCH_INDEX or WHEELS, see $0" >&2; exit 1; }

readonly WORK=$PWD/build/image-check
readonly BASE=localhost/gameforge-base IMAGE=localhost/gameforge-worker-cpu
mkdir -p "$WORK/out"
buildah() { command buildah --root "$WORK/storage" --runroot "$WORK/run" --storage-driver vfs "$@"; }

if [ ! -e "$WORK/debian/.whole" ]; then
    rm -rf "$WORK/debian"
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-dev,g++ bookworm "$WORK/debian"
    rm -rf "$WORK"/debian/var/cache/apt/archives/*.deb "$WORK"/debian/var/lib/apt/lists/*
    ln -s /usr/bin/python3.11 "$WORK/debian/usr/local/bin/python3.11"
    touch "$WORK/debian/.whole"
fi
base=$(buildah from scratch)
buildah add --quiet "$base" "$WORK/debian" / >/dev/null
buildah commit --quiet --rm "$base" "$BASE" >/dev/null

mounts=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
[ -z "${WHEELS:-}" ] || mounts+=(--volume "$WHEELS:/wheels:ro")
torch=$(sed --quiet 's/^torch==//p' requirements.lock)
buildah build --isolation chroot --format docker --network host --pull-never "${mounts[@]}" --file gpu_service/Dockerfile \
    --build-arg BASE_IMAGE="$BASE" --build-arg PYTHON_IMAGE="$BASE" --build-arg TORCH="$torch" --build-arg XFORMERS= \
    --build-arg TORCH_INDEX="${TORCH_INDEX:-}" --build-arg PIP_FIND_LINKS="${WHEELS:+/wheels}" --tag "$IMAGE" .

container=$(buildah from --pull-never "$IMAGE")
trap 'buildah rm "$container" >/dev/null' EXIT
chmod 777 "$WORK/out"
buildah run --isolation chroot --volume "$PWD/tiny_sdxl/checkpoint:/model:ro" --volume "$WORK/out:/out" "$container" -- \
    python -m gpu_service.draw /model /out/picture.png
echo "drew $WORK/out/picture.png in $IMAGE, $(du --summarize --human-readable "$(buildah mount "$container")" | cut --fields 1) unpacked"

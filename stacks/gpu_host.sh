# Makes an ECS GPU host ready to work. Safe to run twice. Needs CLUSTER, CACHE_DIRECTORY and HOST_FILE.

set_option() {
  sed --in-place "/^$1=/d" /etc/ecs/ecs.config
  echo "$1=$2" >>/etc/ecs/ecs.config
}

mkdir --parents /etc/ecs
touch /etc/ecs/ecs.config
set_option ECS_CLUSTER "$CLUSTER"
set_option ECS_ENABLE_GPU_SUPPORT true
set_option ECS_NVIDIA_RUNTIME nvidia
set_option ECS_ENABLE_CONTAINER_METADATA true
set_option ECS_ENABLE_SPOT_INSTANCE_DRAINING true
set_option ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE true

# The model cache lives on the NVMe instance store, and on the root volume where there is none or it can't be used.
mkdir --parents "$CACHE_DIRECTORY"
mount_instance_store() {
  local device
  device=$(lsblk --nodeps --noheadings --paths --output NAME,MODEL | awk '/Instance Storage/ { print $1; exit }')
  [ -n "$device" ] || return 1
  blkid "$device" >/dev/null || mkfs.xfs -q "$device" || return 1
  mount --options noatime "$device" "$CACHE_DIRECTORY"
}
if mountpoint --quiet "$CACHE_DIRECTORY"; then
  echo "model cache: $CACHE_DIRECTORY is mounted already"
elif mount_instance_store; then
  echo "model cache: $CACHE_DIRECTORY is on the NVMe instance store"
else
  echo "model cache: no usable NVMe instance store, $CACHE_DIRECTORY is on the root volume" >&2
fi
# The container's user is not root, and its number is the image's own affair.
chmod 1777 "$CACHE_DIRECTORY"

# What the worker's price depends on. A container can't ask: the metadata would give it this host's credentials as well.
METADATA=http://169.254.169.254/latest
ask() { curl --fail --silent --max-time 5 "$@"; }
leave_facts() {
  local token instance_type region purchase
  token=$(ask --request PUT --header "X-aws-ec2-metadata-token-ttl-seconds: 60" "$METADATA/api/token") || return 1
  fact() { ask --header "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/$1"; }
  instance_type=$(fact instance-type) && region=$(fact placement/region) && purchase=$(fact instance-life-cycle) || return 1
  printf '{"instance_type": "%s", "region": "%s", "purchase": "%s"}\n' "$instance_type" "$region" "$purchase" >"$1"
}
if leave_facts "$CACHE_DIRECTORY/$HOST_FILE"; then
  echo "host facts: $(cat "$CACHE_DIRECTORY/$HOST_FILE")"
else
  echo "host facts: the instance metadata does not answer, so workers here can't tell what they cost" >&2
fi

#!/usr/bin/env bash
# The end-to-end run on a cluster that this machine makes for itself; skipped where there is no way to make one.
# Usage: .ci/e2e.sh [options of npm run e2e]   after `npm ci` and `npm run build`
set -uo pipefail
cd "$(dirname "$0")/.."
cluster=../shared/cluster
if [ ! -x "$cluster/up.sh" ]; then
  echo 'e2e: NOT RUN, there is no ../shared/cluster to make a cluster with'
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo 'e2e: NOT RUN, making a cluster needs root'
  exit 0
fi
cluster=$(cd "$cluster" && pwd)
started=$SECONDS
el() { printf '%4d s  %s\n' $((SECONDS - started)) "$*"; }
export PATH=$PWD/node_modules/.bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/countersign-e2e.XXXXXX")
# Images of its own folder: what an earlier run left must not be imported, nor must this run leave anything.
home=${CLUSTER_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/local-cluster}
[ -x "$home/bin/kubelet" ] && [ -e "$home/images/coredns.tar" ] || "$cluster/setup.sh" || exit 1
# A cluster of its own too: another one may be up.
export RUN=$home/e2e-$$ CGNAME=k8slab-e2e-$$ IMAGES=$work/images
mkdir -p "$IMAGES"
cp -l "$home/images/pause.tar" "$home/images/coredns.tar" "$IMAGES/" 2> /dev/null || cp "$home/images/"{pause,coredns}.tar "$IMAGES/"
end() {
  "$cluster/down.sh" | tail -n 1
  rm -rf "$work"
}
trap end EXIT

# Packed into the cache, from which the cluster imports them while its API server starts.
pack() {
  local name=$1 args=()
  mapfile -t args < <(node -e '
    const c = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    const args = ["--entrypoint", JSON.stringify(c.entrypoint), "--cmd", JSON.stringify(c.cmd), "--user", c.user, "--workdir", c.workdir];
    console.log([...args, ...c.env.flatMap((e) => ["--env", e])].join("\n"));' "$work/rootfs/$name/image.json")
  "$cluster/image.sh" "lab.invalid/$name:e2e" "$work/rootfs/$name/rootfs" "${args[@]}"
}
node scripts/e2e/images.mjs "$work/rootfs" || exit 1
el 'assembled'
for name in countersign envoy valkey node; do pack "$name" || exit 1; done
rm -rf "$work/rootfs"
el 'packed'
"$cluster/up.sh" || exit 1
# All pods together would weigh as much as one thread beside them: of the API server, the load, or another suite.
shares=/sys/fs/cgroup/cpu/$CGNAME/cpu.shares
[ ! -w "$shares" ] || echo 8192 > "$shares"
el 'cluster is up'

cat > "$work/values.yaml" <<'YAML'
image: { repository: lab.invalid/countersign, tag: e2e, pullPolicy: Never }
gateway:
  envoy: { image: { repository: lab.invalid/envoy, tag: e2e, pullPolicy: Never }, concurrency: 1 }
authorizer: { workers: 1, drainTime: 2s }
# The API server, the kubelet, all pods and the load share this machine: what is tested is that nothing is dropped,
# not how fast a starved process answers.
authorizerTimeout: 5s
redis:
  trial: { image: { repository: lab.invalid/valkey, tag: e2e, pullPolicy: Never } }
  commandTimeout: 500ms
  connectTimeout: 1s
YAML
PATH=$PATH:$home/bin "$cluster/in.sh" --net node scripts/e2e.mjs --context lab --values "$work/values.yaml" \
  --backend-image lab.invalid/node:e2e "$@"
code=$?
el 'done'
exit $code

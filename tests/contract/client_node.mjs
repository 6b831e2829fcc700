// The npm package @kubernetes/client-node at ConfigMaps of the namespace default, for test_clients.py: a line of JSON in, one out.
// usage: node client_node.mjs FOLDER-WITH-NODE_MODULES KUBECONFIG
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, kubeconfig] = process.argv.slice(2);
const library = path.resolve(folder, "node_modules/@kubernetes/client-node/dist/index.js");
const k8s = await import(pathToFileURL(library));
const config = new k8s.KubeConfig();
config.loadFromFile(kubeconfig);
const core = config.makeApiClient(k8s.CoreV1Api);
const namespace = "default";

const say = (what, content) => process.stdout.write(JSON.stringify({ [what]: content }) + "\n");
setTimeout(() => process.exit(1), 120_000).unref(); // whoever waits for an answer that never comes hears of the end

// The HTTP code of a refusal; any other error is one.
const refusal = (error) => {
  if (typeof error.code !== "number") throw error;
  return error.code;
};

const verbs = {
  create: ({ name, data, labels }) =>
    core.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels }, data } }).then(() => 201, refusal),
  get: ({ name }) => core.readNamespacedConfigMap({ namespace, name }).then((found) => found.data, refusal),
  names: ({ selector }) =>
    core
      .listNamespacedConfigMap({ namespace, labelSelector: selector })
      .then(({ items }) => items.map((each) => each.metadata.name)),
  patch: ({ name, data }) =>
    core
      .patchNamespacedConfigMap(
        { namespace, name, body: { data } },
        k8s.setHeaderOptions("Content-Type", k8s.PatchStrategy.StrategicMergePatch),
      )
      .then(() => null),
  delete: ({ name }) => core.deleteNamespacedConfigMap({ namespace, name }).then(() => null),
  watch: ({ selector }) =>
    new k8s.Watch(config)
      .watch(
        `/api/v1/namespaces/${namespace}/configmaps`,
        { labelSelector: selector },
        (kind, found) => say("event", [kind, found.metadata.name]),
        () => {},
      )
      .then(() => null),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { verb, ...given } = JSON.parse(line);
  say("answer", await verbs[verb](given));
}
process.exit(0);

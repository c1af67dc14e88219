/** Documents for the `daprd` entry, which has no component but the declared ones: the in-memory ones, under the usual names. */
const component = (name: string, type: string): string => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: ${name}
spec:
  type: ${type}
  version: v1
`;

export const inMemoryDocuments: Readonly<Record<string, string>> = {
  'statestore.yaml': component('statestore', 'state.in-memory'),
  'pubsub.yaml': component('pubsub', 'pubsub.in-memory'),
  'configstore.yaml': component('configstore', 'configuration.in-memory'),
  'lockstore.yaml': component('lockstore', 'lock.in-memory'),
};

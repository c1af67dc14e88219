/**
 * HTTPEndpoint documents with the secrets and variables of their headers filled in. One whose secret cannot be had yet is
 * left out, as Dapr parks it: a call without its credentials would be another call.
 */
import { revealed, Secret } from '@outrigger/components-core';
import type { Logger } from '@outrigger/engine';
import type { ComponentMetadataEntry, HttpEndpointDocument } from '../config/model.js';
import type { ComponentRegistry } from './registry.js';
import { isEnvAllowed } from './resolve-metadata.js';

export interface EndpointDocuments {
  /** The documents from now on. */
  follow(documents: readonly HttpEndpointDocument[]): void;
  /** Those that can be used, headers filled. */
  readonly usable: readonly HttpEndpointDocument[];
  close(): void;
}

export interface EndpointDeps {
  readonly registry: ComponentRegistry;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export function createEndpointDocuments({ registry, env, log }: EndpointDeps): EndpointDocuments {
  let declared: readonly HttpEndpointDocument[] = [];
  let usable: readonly HttpEndpointDocument[] = [];
  const filled = new WeakMap<HttpEndpointDocument, HttpEndpointDocument>();
  const trying = new WeakSet<HttpEndpointDocument>();

  const update = (): void => {
    usable = declared.flatMap((document) => filled.get(document) ?? []);
  };
  const fill = async (document: HttpEndpointDocument): Promise<void> => {
    if (filled.has(document) || trying.has(document)) return;
    trying.add(document);
    try {
      const headers = await Promise.all(document.headers.map((header) => fillHeader(document, header)));
      filled.set(document, { ...document, headers });
      update();
    } catch (error) {
      log.warn(`HTTPEndpoint ${document.name} cannot be called yet: ${(error as Error).message}`);
    } finally {
      trying.delete(document);
    }
  };
  const fillHeader = async (
    document: HttpEndpointDocument,
    header: ComponentMetadataEntry,
  ): Promise<ComponentMetadataEntry> => {
    const { name, value, envRef, secretKeyRef } = header;
    if (value !== undefined) return header;
    if (envRef !== undefined) {
      if (isEnvAllowed(envRef, env['DAPR_ENV_KEYS'])) return { ...header, value: new Secret(env[envRef] ?? '') };
      log.warn(`HTTPEndpoint ${document.name} references an env variable that isn't allowed: ${envRef}`);
      return { ...header, value: '' };
    }
    if (secretKeyRef === undefined) return { ...header, value: '' };
    const store = secretKeyRef.store ?? document.secretStore ?? '';
    const entry = registry.find('secretstores', store);
    if (entry === undefined) throw new Error(`it references a secret store that isn't loaded: ${store}`);
    const secret = await (await entry.ready()).get(secretKeyRef.name, { namespace: document.namespace ?? '' });
    const found = secret[secretKeyRef.key];
    if (found === undefined) {
      throw new Error(`the secret "${secretKeyRef.name}" of ${store} has no key "${secretKeyRef.key}" for "${name}"`);
    }
    return { ...header, value: new Secret(revealed(found)) };
  };

  const fillAll = (): void => {
    for (const document of declared) {
      // Most name no secret: they are usable in this very turn.
      if (document.headers.every(({ value }) => value !== undefined)) filled.set(document, document);
      else void fill(document);
    }
    update();
  };
  const unfollow = registry.onChange(({ kind, what }) => {
    if (kind === 'secretstores' && what === 'ready') fillAll();
  });
  return {
    follow(documents) {
      declared = documents;
      fillAll();
    },
    get usable() {
      return usable;
    },
    close: unfollow,
  };
}

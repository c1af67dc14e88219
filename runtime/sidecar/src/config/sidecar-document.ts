/**
 * Our kind Sidecar: the settings of the process in a document, under the environment and over the defaults. Its keys are
 * the setting names: `{apiVersion: outrigger/v1, kind: Sidecar, metadata: {name: shop}, spec: {appId: shop, appPort: 8080}}`.
 */
import { readBase } from './document-base.js';
import { isSidecarDocument } from './kinds.js';
import { MapReader } from './map-reader.js';
import { originText, type Problems } from './problem.js';
import { SETTING_NAMES, type SettingName, settingOf } from './settings.js';
import type { TreeNode } from './tree.js';
import type { GivenValue, GivenValues } from './values.js';

export function sidecarSettings(trees: readonly TreeNode[], problems: Problems): GivenValues {
  const given = new Map<SettingName, GivenValue>();
  const [first, second] = trees.filter(isSidecarDocument);
  if (first === undefined) return given;
  if (second !== undefined) {
    problems.error(second.origin, `there are two Sidecar documents; first at ${originText(first.origin)}`);
  }
  const context = { problems, unknownKeys: 'error', unusable: 'refuse', dialect: 'dapr', types: undefined } as const;
  const reader = new MapReader(first, '', context);
  readBase(reader, 'dapr', false);
  const spec = reader.map('spec');
  for (const name of spec === undefined ? [] : SETTING_NAMES) {
    const setting = settingOf(name);
    if (setting.notInDocuments === true || setting.noEffect !== undefined || setting.deprecated !== undefined) continue;
    const node = spec?.get(name);
    if (spec === undefined || node === undefined) continue;
    const raw = node.kind === 'list' && setting.type === 'csv' ? spec.texts(name) : spec.scalarText(name);
    if (raw !== undefined) given.set(name, { raw, origin: node.origin });
  }
  spec?.finish();
  reader.finish();
  return given;
}

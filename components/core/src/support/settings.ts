/** Reads typed component metadata; a wrong value is refused with a sentence that names component, field and form. */
import { type ComponentConfig, metadataOf } from '../component.js';
import { ComponentError } from '../errors.js';

function refuse(config: ComponentConfig, name: string, value: string, wanted: string): never {
  throw new ComponentError(
    'invalid',
    `component ${config.name} (${config.type}): metadata ${name}: '${value}' is not ${wanted}`,
  );
}

export function numberSetting(
  config: ComponentConfig,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const value = metadataOf(config, name);
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max)
    refuse(config, name, value, `a whole number from ${min} to ${max}`);
  return number;
}

/** Dapr's spelling of true: y, yes, true, t, on, 1 (kit/utils IsTruthy); anything else is false. */
export function boolSetting(config: ComponentConfig, name: string): boolean {
  const value = metadataOf(config, name)?.trim().toLowerCase();
  return value !== undefined && ['y', 'yes', 'true', 't', 'on', '1'].includes(value);
}

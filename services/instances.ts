import type { WantedOptions } from '../lib/profiles.ts';
import type { Found, Instance } from '../lib/state.ts';
import * as ec2 from './ec2.ts';
import * as lightsail from './lightsail.ts';

/** Finds an instance at the service that it belongs to; undefined when that service does not know it. */
export function findInstance(
  { platform, instanceId }: Pick<Instance, 'platform' | 'instanceId'>,
  signal: AbortSignal,
): Promise<Found | undefined> {
  return platform === 'ec2' ? ec2.findInstance(instanceId, signal) : lightsail.findInstance(instanceId, signal);
}

/** Asks for the metadata options that are named. The answer is Lightsail's operation; EC2 has none. */
export async function updateMetadataOptions(
  { platform, instanceId }: Instance,
  wanted: WantedOptions,
  signal: AbortSignal,
): Promise<string | null> {
  if (platform === 'lightsail') return lightsail.updateMetadataOptions(instanceId, wanted, signal);
  await ec2.updateMetadataOptions(instanceId, wanted, signal);
  return null;
}

/** @throws MetadataOptionsUnsupported when the operation that changes the options has failed. */
export async function checkUpdate(
  { instanceId }: Instance,
  operationId: string | null,
  signal: AbortSignal,
): Promise<void> {
  if (operationId !== null) await lightsail.checkOperation(instanceId, operationId, signal);
}

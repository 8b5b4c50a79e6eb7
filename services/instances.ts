import type { Metadata, WantedOptions } from '../lib/profiles.ts';
import type { Found, Instance, MetadataOptions } from '../lib/state.ts';
import * as ec2 from './ec2.ts';
import * as lightsail from './lightsail.ts';

/** Finds an instance at the service that it belongs to; undefined when that service does not know it. */
export function findInstance(
  { platform, instanceId }: Pick<Instance, 'platform' | 'instanceId'>,
  signal: AbortSignal,
): Promise<Found | undefined> {
  return platform === 'ec2' ? ec2.findInstance(instanceId, signal) : lightsail.findInstance(instanceId, signal);
}

/** Whether the options are those that the profile names. What the service did not tell does not comply. */
export function complies(options: MetadataOptions, wanted: Metadata): boolean {
  return (
    options.httpTokens === wanted.httpTokens &&
    (wanted.httpEndpoint === undefined || options.httpEndpoint === wanted.httpEndpoint) &&
    (wanted.httpPutResponseHopLimit === undefined || options.httpPutResponseHopLimit === wanted.httpPutResponseHopLimit)
  );
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

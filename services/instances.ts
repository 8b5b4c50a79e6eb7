import type { Found, InstanceRef } from '../lib/instance.ts';
import type { WantedOptions } from '../lib/profile.ts';
import * as ec2 from './ec2.ts';
import * as lightsail from './lightsail.ts';

/** Finds an instance at the service that it belongs to; undefined when that service does not know it in its Region. */
export function findInstance(which: InstanceRef, signal: AbortSignal): Promise<Found | undefined> {
  return which.platform === 'ec2' ? ec2.findInstance(which, signal) : lightsail.findInstance(which, signal);
}

/** Asks for the metadata options that are named. The answer is Lightsail's operation; EC2 has none. */
export async function updateMetadataOptions(
  which: InstanceRef,
  wanted: WantedOptions,
  signal: AbortSignal,
): Promise<string | null> {
  if (which.platform === 'lightsail') return lightsail.updateMetadataOptions(which, wanted, signal);
  await ec2.updateMetadataOptions(which, wanted, signal);
  return null;
}

/** @throws MetadataOptionsPending when the operation that changes the options has failed. */
export async function checkUpdate(which: InstanceRef, operationId: string | null, signal: AbortSignal): Promise<void> {
  if (operationId !== null) await lightsail.checkOperation(which, operationId, signal);
}

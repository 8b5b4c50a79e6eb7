import type { InstanceMetadataOptionsRequest } from '@aws-sdk/client-ec2';
import { ServiceError } from '../../wire/service.ts';

export interface MetadataOptions {
  State: 'pending' | 'applied';
  HttpTokens: 'optional' | 'required';
  HttpPutResponseHopLimit: number;
  HttpEndpoint: 'enabled' | 'disabled';
  HttpProtocolIpv6: 'enabled' | 'disabled';
  InstanceMetadataTags: 'enabled' | 'disabled';
}

const METADATA_FIELDS = [
  'HttpTokens',
  'HttpPutResponseHopLimit',
  'HttpEndpoint',
  'HttpProtocolIpv6',
  'InstanceMetadataTags',
] as const;

/** What an instance is launched with unless the launch says otherwise. */
export const LAUNCH_METADATA: Omit<MetadataOptions, 'State'> = {
  HttpTokens: 'optional',
  HttpPutResponseHopLimit: 1,
  HttpEndpoint: 'enabled',
  HttpProtocolIpv6: 'disabled',
  InstanceMetadataTags: 'disabled',
};

/**
 * The metadata options that a request names, and no other. Switching the endpoint off leaves nothing to set.
 */
export function metadataChanges(input: InstanceMetadataOptionsRequest): Partial<MetadataOptions> {
  const limit = input.HttpPutResponseHopLimit;
  if (limit !== undefined && (limit < 1 || limit > 64))
    throw new ServiceError(
      'InvalidParameterValue',
      `The value '${limit}' for HttpPutResponseHopLimit is not valid: it is between 1 and 64.`,
    );
  const named = METADATA_FIELDS.filter((field) => input[field] !== undefined);
  if (input.HttpEndpoint === 'disabled' && named.length > 1)
    throw new ServiceError(
      'InvalidParameterCombination',
      `HttpEndpoint 'disabled' cannot be used with ${named.filter((field) => field !== 'HttpEndpoint').join(', ')}.`,
    );
  return Object.fromEntries(named.map((field) => [field, input[field]])) as Partial<MetadataOptions>;
}

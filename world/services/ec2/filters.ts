import type { Filter } from '@aws-sdk/client-ec2';
import { ServiceError } from '../../wire/service.ts';
import { type Ec2Instance, VPC_ID } from './instance.ts';

const FILTERS: Readonly<Record<string, (instance: Ec2Instance) => readonly string[]>> = {
  'instance-id': (instance) => [instance.instanceId],
  'instance-state-name': (instance) => [instance.state],
  'instance-type': (instance) => [instance.instanceType],
  'image-id': (instance) => [instance.imageId],
  'subnet-id': (instance) => [instance.subnetId],
  'vpc-id': () => [VPC_ID],
  'availability-zone': (instance) => [instance.availabilityZone],
  'private-ip-address': (instance) => [instance.privateIpAddress],
  'tag-key': (instance) => [...instance.tags.keys()],
};

/**
 * The test that DescribeInstances' `Filters` ask for: every filter must hold, with any of its values, in which `*` and
 * `?` are wildcards. Throws InvalidParameterValue for a filter that is not served.
 */
export function matcher(filters: readonly Filter[]): (instance: Ec2Instance) => boolean {
  const tests = filters.map(({ Name = '', Values = [] }) => {
    const read = reader(Name);
    const patterns = Values.map(wildcard);
    return (instance: Ec2Instance) => read(instance).some((value) => patterns.some((pattern) => pattern.test(value)));
  });
  return (instance) => tests.every((test) => test(instance));
}

function reader(name: string): (instance: Ec2Instance) => readonly string[] {
  const found = FILTERS[name];
  if (found) return found;
  if (!name.startsWith('tag:')) throw new ServiceError('InvalidParameterValue', `The filter '${name}' is invalid`);
  const key = name.slice('tag:'.length);
  return (instance) => [instance.tags.get(key)].filter((value) => value !== undefined);
}

function wildcard(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}

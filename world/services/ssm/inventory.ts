import type {
  DescribeInstanceInformationCommandInput,
  DescribeInstanceInformationResult,
  InstanceInformation,
} from '@aws-sdk/client-ssm';
import type { Fleet } from '../../machines/fleet.ts';
import type { SimulatedNode } from '../../machines/node.ts';
import { ServiceError } from '../../wire/service.ts';
import { type Numbered, pageBySerial } from '../paging/serial-page.ts';

const PAGE_SIZE = 50;

/** The filter keys that are answered; the service knows more, and these refuse the rest as it refuses unknown ones. */
const FILTERS: Record<string, (information: InstanceInformation) => string | undefined> = {
  InstanceIds: (information) => information.InstanceId,
  PingStatus: (information) => information.PingStatus,
  PlatformTypes: (information) => information.PlatformType,
  ResourceType: (information) => information.ResourceType,
  AgentVersion: (information) => information.AgentVersion,
};

/** A filter by a tag names it after this. */
const TAG = 'tag:';

interface Filter {
  readonly key: string;
  readonly values: readonly string[];
}

/** The machines that Systems Manager manages: an agent that has not reported yet is not among them. */
export function describeInstanceInformation(
  input: DescribeInstanceInformationCommandInput,
  fleet: Fleet,
  now: number,
): DescribeInstanceInformationResult {
  const filters = checkedFilters(input);
  const found = candidates(fleet, filters)
    .filter(({ node }) => node.isAgentUp || !node.isOn)
    .map(({ serial, node }) => ({ serial, node, shown: information(node, now) }))
    .filter(({ node, shown }) =>
      filters.every(({ key, values }) => values.includes(tagOf(node, key) ?? FILTERS[key]?.(shown) ?? '')),
    );
  const refuse = () => new ServiceError('InvalidNextToken', 'The specified token is not valid.');
  const { items, nextToken } = pageBySerial(found, input.MaxResults ?? PAGE_SIZE, input.NextToken, refuse);
  return {
    InstanceInformationList: items.map(({ shown }) => shown),
    ...(nextToken === undefined ? {} : { NextToken: nextToken }),
  };
}

/** Both spellings of a filter, the current one (Filters) and the older (InstanceInformationFilterList). */
function checkedFilters(input: DescribeInstanceInformationCommandInput): Filter[] {
  const current = (input.Filters ?? []).map(({ Key = '', Values = [] }) => ({ key: Key, values: Values }));
  const older = (input.InstanceInformationFilterList ?? []).map(({ key, valueSet }) => ({
    key: key ?? '',
    values: valueSet ?? [],
  }));
  const filters = [...current, ...older];
  const unknown = filters.find(({ key }) => !key.startsWith(TAG) && !Object.hasOwn(FILTERS, key));
  if (unknown) throw new ServiceError('InvalidFilterKey', `The specified filter key ${unknown.key} is not valid.`);
  return filters;
}

/** With a filter by id only those machines, since a fleet may be large. */
function candidates(fleet: Fleet, filters: readonly Filter[]): (Numbered & { node: SimulatedNode })[] {
  const ids = filters.find(({ key }) => key === 'InstanceIds')?.values;
  if (!ids) return [...fleet.members];
  return ids.flatMap((id, index) => {
    const node = fleet.get(id);
    return node ? [{ serial: index + 1, node }] : [];
  });
}

function tagOf(node: SimulatedNode, key: string): string | undefined {
  return key.startsWith(TAG) ? node.tags[key.slice(TAG.length)] : undefined;
}

function information(node: SimulatedNode, now: number): InstanceInformation {
  return {
    InstanceId: node.instanceId,
    PingStatus: node.isAgentUp ? 'Online' : 'ConnectionLost',
    LastPingDateTime: new Date(now),
    AgentVersion: '3.3.2299.0',
    IsLatestVersion: true,
    PlatformType: node.platformType,
    ...(node.platformType === 'Linux'
      ? { PlatformName: 'Amazon Linux', PlatformVersion: '2023' }
      : { PlatformName: 'Microsoft Windows Server 2022 Datacenter', PlatformVersion: '10.0.20348' }),
    ...(node.instanceId.startsWith('mi-')
      ? { ResourceType: 'ManagedInstance', RegistrationDate: node.machine.launchedAt }
      : { ResourceType: 'EC2Instance' }),
    IPAddress: node.machine.privateIp,
    ComputerName: `ip-${node.machine.privateIp.replaceAll('.', '-')}`,
  };
}

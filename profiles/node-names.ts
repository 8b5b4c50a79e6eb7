import { traitsOf } from '../lib/engines.ts';
import type { Instance } from '../lib/instance.ts';
import type { Associate } from '../lib/servers.ts';

/** The longest common name that a certificate can have. Source: RFC 5280, ub-common-name. */
const LONGEST_CHARACTERS = 64;

/** An id that EC2 or Systems Manager gives: another instance has it, or may have it one day. */
const INSTANCE_ID = /^(i|mi)-([0-9a-f]{8}|[0-9a-f]{17})$/i;

/** Names that a server, or its agents, may know for something else than a node, whatever the server is called. */
const WELL_KNOWN = [
  ...['localhost', 'admin', 'root'],
  ...['ca', 'puppet', 'puppetdb', 'puppetserver', 'pe-internal-dashboard', 'muster-enrol', 'muster-retire'],
  ...['pivotal', 'chef-validator', 'chef-webui'],
];

/**
 * Why the instance cannot be enrolled under its name: a sentence. Undefined if it can. An EC2 instance's name is its own id;
 * the creator of a Lightsail instance chooses its name.
 */
export function nodeNameFault(
  { platform, instanceId, nodeName }: Pick<Instance, 'platform' | 'instanceId' | 'nodeName'>,
  server: Associate,
): string | undefined {
  if (platform === 'ec2') return undefined;
  const refused = `${instanceId} is not enrolled: its node name would be ${nodeName}, which`;
  if (nodeName.length > LONGEST_CHARACTERS)
    return `${refused} is longer than ${LONGEST_CHARACTERS} characters. Give the instance a shorter name.`;
  if (INSTANCE_ID.test(instanceId))
    return `${refused} is an instance id of EC2 or Systems Manager. Give the instance another name.`;
  const reserved = [...WELL_KNOWN, ...traitsOf(server).reservedNames].map((name) => name.toLowerCase());
  if (reserved.includes(nodeName.toLowerCase()) || reserved.includes(instanceId.toLowerCase()))
    return `${refused} ${traitsOf(server).displayName} may know for something else than a node. Give the instance another name.`;
  return undefined;
}

import type { Instance } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';

/** Who is to show the node's key: the node, whoever asks, or nobody. OpsWorks Stacks takes EC2 instances only. */
export function identityFrom(
  { platform }: Pick<Instance, 'platform'>,
  { register, associate, csrFrom }: Pick<Profile, 'register' | 'associate' | 'csrFrom'>,
  bringsCsr: boolean,
): 'node' | 'request' | 'none' {
  if (platform === 'ec2') return register || associate ? 'node' : 'none';
  if (!associate) return 'none';
  if (bringsCsr) return 'request';
  return csrFrom === 'request' ? 'none' : 'node';
}

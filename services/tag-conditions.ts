import { InstanceNotReady, PermissionDenied } from '../lib/errors.ts';
import { type Instance, mayLackTags } from '../lib/instance.ts';

/**
 * Makes a call that IAM allows by the instance's tags. IAM denies it until the tags of a launch are shown.
 * @throws InstanceNotReady for a denial while they may be missing
 */
export async function untilTagsShow<Output>(
  { instanceId, createdTime }: Pick<Instance, 'instanceId' | 'createdTime'>,
  now: string,
  call: () => Promise<Output>,
): Promise<Output> {
  try {
    return await call();
  } catch (cause) {
    if (!(cause instanceof PermissionDenied) || !mayLackTags(createdTime, now)) throw cause;
    throw new InstanceNotReady(
      `${cause.message} The tags of ${instanceId} may not be shown yet, and the role allows it by them.`,
      { cause },
    );
  }
}

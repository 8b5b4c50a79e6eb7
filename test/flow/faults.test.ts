import { describe, expect, it } from 'vitest';
import { sampled, sized } from '../support/size.ts';
import {
  callsOfHandlers,
  enrolments,
  finalState,
  nameOf,
  type Played,
  playEveryWay,
  playWorld,
  registrations,
  untilOneEnded,
} from '../support/world.ts';

/** Every operation that an enrolment calls, under whatever profile. */
const OPERATIONS = [
  'autoscaling.CompleteLifecycleAction',
  'autoscaling.DescribeAutoScalingGroups',
  'autoscaling.DescribeAutoScalingInstances',
  'autoscaling.DescribeLifecycleHooks',
  'autoscaling.RecordLifecycleActionHeartbeat',
  'dynamodb.DeleteItem',
  'dynamodb.GetItem',
  'dynamodb.PutItem',
  'dynamodb.Query',
  'dynamodb.UpdateItem',
  'ec2.DescribeInstances',
  'ec2.ModifyInstanceMetadataOptions',
  'events.PutEvents',
  'lightsail.GetInstance',
  'lightsail.GetOperation',
  'lightsail.UpdateInstanceMetadataOptions',
  'opsworks-cm.AssociateNode',
  'opsworks-cm.DescribeNodeAssociationStatus',
  'opsworks-cm.DescribeServers',
  'opsworks.AssignInstance',
  'opsworks.DescribeInstances',
  'opsworks.RegisterInstance',
  'ssm.GetCommandInvocation',
  'ssm.SendCommand',
  'states.StartExecution',
];

/** What fails there is left to the watch's next round, or to the watch: no enrolment asks again until it is answered. */
const LEFT_TO_THE_WATCH = [
  'DeleteItem',
  'DescribeAutoScalingGroups',
  'DescribeLifecycleHooks',
  'Query',
  'RecordLifecycleActionHeartbeat',
];

const SERVICES = [...new Set(OPERATIONS.map((name) => name.split('.')[0] ?? ''))];

/**
 * What goes wrong with an operation, one after the other: more throttling than the SDK rides out, outages, and at last
 * a slow answer that is lost although the call has done its work.
 */
const TROUBLES = [
  { error: 'ThrottlingException', times: 3 },
  { statusCode: 500, times: 2 },
  { drop: true, times: 1 },
  { delaySeconds: 10, drop: true, after: true, times: 1 },
];

async function play(troubles: readonly object[] = []) {
  const world = await playEveryWay(troubles);
  return { world, state: await finalState(world) };
}

const undisturbed = await play();

describe('an enrolment', () => {
  it('calls the operations that are troubled here, and no other', () => {
    expect([...new Set(callsOfHandlers(undisturbed.world).map(nameOf))].sort()).toEqual(OPERATIONS);
  });

  it.each(sized({ small: ['dynamodb', 'opsworks-cm', 'states'], full: SERVICES }))(
    'rides out that %s is throttled, fails, is cut off, is slow and loses its answers',
    async (service) => {
      const operations = OPERATIONS.filter((name) => name.startsWith(`${service}.`)).map((name) => name.split('.')[1]);
      const troubles = operations.flatMap((operation) =>
        TROUBLES.map((trouble) => ({ service, operation, ...trouble })),
      );
      const { world, state } = await play(troubles);
      // Where UpdateInstanceMetadataOptions loses its answer the operation is unknown: the instance itself is looked at.
      const few = ['GetOperation', ...LEFT_TO_THE_WATCH];
      const left = world.faults.list().filter(({ operation = '' }) => !few.includes(operation));
      expect(left, 'troubles that never came').toEqual([]);
      expect(state).toEqual(undisturbed.state);
      // Where StartExecution fails, the function's retry and the watch may both enrol a launch: the second changes nothing.
      const enrolled = enrolments(world).filter(({ outcome }) => outcome === 'enrolled');
      expect(new Set(enrolled.map(({ instance }) => instance)).size).toBe(3);
      expect(registrations(world)).toHaveLength(1);
    },
  );
});

describe('a refusal for want of permission', () => {
  it.each(
    sampled(
      [
        ['ec2', 'DescribeInstances', 'UnauthorizedOperation'],
        ['ec2', 'ModifyInstanceMetadataOptions', 'UnauthorizedOperation'],
        ['ssm', 'SendCommand', 'AccessDeniedException'],
        ['opsworks', 'RegisterInstance', 'AccessDeniedException'],
        ['opsworks-cm', 'AssociateNode', 'AccessDeniedException'],
        ['autoscaling', 'CompleteLifecycleAction', 'AccessDenied'],
        ['dynamodb', 'GetItem', 'AccessDeniedException'],
      ],
      3,
    ),
  )('by %s of %s ends red at once and says what to do', async (service, operation, error) => {
    const world = await playWorld();
    world.faults.set([{ service, operation, error }]);
    world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(failed.outcome).toBe('failed');
    expect(failed.cause).toContain(`${error}. Allow it in the function's role (resources/functions.yml)`);
    expect(errorOf(world)).toBe('PermissionDenied');
  });
});

function errorOf(world: Played) {
  return world.machines.executions()[0]?.outcome.error;
}

import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Interpretation } from '../../../events/event.ts';
import { namedIn, naming, parseEnrolmentRequest, parseRetirementRequest } from '../../../events/request.ts';
import { interpret, table } from '../../../events/table.ts';
import { InvalidRequest } from '../../../lib/errors.ts';
import { sample, sampleNames } from '../../support/samples.ts';

const HOME = 'eu-west-1';

beforeEach(() => void vi.stubEnv('AWS_REGION', HOME));
afterEach(() => vi.unstubAllEnvs());

/** The fields of each enrolment that the sample asks for. */
const enrolments: Record<string, object[]> = {
  'ec2-launch-lifecycle-action': [
    {
      instanceId: 'i-1234567890abcdef0',
      lifecycleAction: {
        autoScalingGroupName: 'web',
        lifecycleHookName: 'muster-launch',
        lifecycleActionToken: '87654321-4321-4321-4321-210987654321',
        origin: 'EC2',
        destination: 'AutoScalingGroup',
      },
      trigger: {
        detailType: 'EC2 Instance-launch Lifecycle Action',
        eventId: '12345678-1234-1234-1234-123456789012',
        eventTime: '2015-05-13T18:43:48Z',
      },
    },
  ],
  'ec2-launch-lifecycle-action-into-warm-pool': [
    { instanceId: 'i-00112233445566778', lifecycleAction: { origin: 'EC2', destination: 'WarmPool' } },
  ],
  'ec2-launch-lifecycle-action-metadata-object': [{ instanceId: 'i-0a1b2c3d4e5f60718' }],
  'ec2-launch-lifecycle-action-metadata-string': [{ instanceId: 'i-02573cafcf0a1b2c3' }],
  'ec2-launch-lifecycle-action-milliseconds': [{ trigger: { eventTime: '2015-05-13T18:43:48.123Z' } }],
  'ec2-launch-lifecycle-action-other-teams-hook': [
    { lifecycleAction: { autoScalingGroupName: 'billing', lifecycleHookName: 'billing-launch' } },
  ],
  'ec2-launch-lifecycle-action-out-of-warm-pool': [
    { instanceId: 'i-00112233445566778', lifecycleAction: { origin: 'WarmPool', destination: 'AutoScalingGroup' } },
  ],
  'ec2-launch-lifecycle-action-token-not-hexadecimal': [
    { lifecycleAction: { lifecycleActionToken: '71514b9d-6a40-4b26-8523-05e7eEXAMPLE' } },
  ],
  'ec2-launch-lifecycle-action-without-metadata': [{ instanceId: 'i-0598c7d356eba48d7' }],
  'ec2-launch-lifecycle-action-without-origin': [
    { instanceId: 'i-12345678', lifecycleAction: { origin: undefined, destination: undefined } },
  ],
  'ec2-launch-lifecycle-action-replace-root-volume': [
    {
      instanceId: 'i-1234567890abcdef0',
      lifecycleAction: { origin: 'AutoScalingGroup', destination: 'AutoScalingGroup', action: 'ReplaceRootVolume' },
    },
  ],
  'ec2-launch-successful': [
    {
      instanceId: 'i-1234567890abcdef0',
      autoScalingGroupName: 'web',
      trigger: {
        detailType: 'EC2 Instance Launch Successful',
        eventId: '12345678-1234-1234-1234-000000000011',
        eventTime: '2015-11-11T21:31:47Z',
      },
    },
  ],
  'ec2-launch-successful-out-of-warm-pool': [{ instanceId: 'i-00112233445566778', autoScalingGroupName: 'web' }],
  'ec2-launch-successful-without-origin': [{ trigger: { eventTime: '2015-11-11T21:31:47.208Z' } }],
  'lightsail-create-instances': [
    {
      lightsailInstanceName: 'web-1',
      trigger: {
        detailType: 'AWS API Call via CloudTrail',
        eventId: '12345678-1234-1234-1234-000000000021',
        eventTime: '2022-03-09T18:12:04Z',
      },
    },
    { lightsailInstanceName: 'web-2', trigger: { eventId: '12345678-1234-1234-1234-000000000021' } },
  ],
  'lightsail-create-instances-from-snapshot': [{ lightsailInstanceName: 'restored-1' }],
  'lightsail-create-instances-one': [{ lightsailInstanceName: 'Shop-Front_1' }],
};

/** The fields of the retirement that the sample asks for. */
const retirements: Record<string, object> = {
  'ec2-terminate-lifecycle-action': {
    instanceId: 'i-1234567890abcdef0',
    lifecycleAction: {
      autoScalingGroupName: 'web',
      lifecycleHookName: 'muster-terminate',
      lifecycleActionToken: '87654321-4321-4321-4321-000000000041',
      origin: 'AutoScalingGroup',
      destination: 'EC2',
    },
    trigger: {
      detailType: 'EC2 Instance-terminate Lifecycle Action',
      eventId: '12345678-1234-1234-1234-000000000041',
      eventTime: '2015-05-13T18:43:48Z',
    },
  },
  'ec2-terminate-lifecycle-action-other-teams-hook': {
    lifecycleAction: { autoScalingGroupName: 'analytics', lifecycleHookName: 'analytics-drain' },
  },
  'ec2-terminate-lifecycle-action-into-warm-pool': {
    instanceId: 'i-00112233445566778',
    lifecycleAction: { origin: 'AutoScalingGroup', destination: 'WarmPool' },
  },
  'ec2-terminate-lifecycle-action-out-of-warm-pool': {
    instanceId: 'i-00112233445566778',
    lifecycleAction: { origin: 'WarmPool', destination: 'EC2' },
  },
  'ec2-terminate-lifecycle-action-without-origin': {
    instanceId: 'i-12345678',
    lifecycleAction: { origin: undefined, destination: undefined },
  },
  'ec2-terminate-lifecycle-action-replace-root-volume': {
    instanceId: 'i-1234567890abcdef0',
    lifecycleAction: { origin: 'AutoScalingGroup', destination: 'AutoScalingGroup', action: 'ReplaceRootVolume' },
  },
  'ec2-terminate-successful': {
    instanceId: 'i-1234567890abcdef0',
    trigger: {
      detailType: 'EC2 Instance Terminate Successful',
      eventId: '12345678-1234-1234-1234-000000000051',
      eventTime: '2015-11-11T21:31:47Z',
    },
  },
  'ec2-terminate-successful-without-origin': { trigger: { eventTime: '2015-11-11T21:31:47.208Z' } },
  'lightsail-delete-instance': {
    lightsailInstanceName: 'web-1',
    trigger: {
      detailType: 'AWS API Call via CloudTrail',
      eventId: '12345678-1234-1234-1234-000000000026',
      eventTime: '2022-03-09T18:12:04Z',
    },
  },
};

/** Why the sample is ignored. */
const reasons: Record<string, string> = {
  'ec2-launch-lifecycle-action-test-notification': 'It is a test notification of Auto Scaling.',
  'ec2-launch-lifecycle-action-test-notification-bare': 'It is a test notification of Auto Scaling.',
  'ec2-launch-unsuccessful': 'Muster answers no "EC2 Instance Launch Unsuccessful" of aws.autoscaling.',
  'ec2-terminate-lifecycle-action-test-notification': 'It is a test notification of Auto Scaling.',
  'ec2-terminate-successful-into-warm-pool': 'i-00112233445566778 is not terminated: it returns to its warm pool.',
  'ec2-terminate-unsuccessful': 'Muster answers no "EC2 Instance Terminate Unsuccessful" of aws.autoscaling.',
  'lightsail-create-instances-denied': "Lightsail's CreateInstances was refused (AccessDenied): it changed nothing.",
  'lightsail-delete-instance-denied': "Lightsail's DeleteInstance was refused (AccessDenied): it changed nothing.",
  'lightsail-reboot-instance': "Lightsail's RebootInstance neither creates nor deletes an instance.",
};

/** What is wrong with the sample, after the words that name the event. */
const refusals: Record<string, string> = {
  'refused/ec2-launch-lifecycle-action-short-token':
    'detail.LifecycleActionToken must be exactly 36 characters long, not "too-short".',
  'refused/ec2-launch-lifecycle-action-terminating':
    'detail.LifecycleTransition must be "autoscaling:EC2_INSTANCE_LAUNCHING", not "autoscaling:EC2_INSTANCE_TERMINATING".',
  'refused/ec2-launch-lifecycle-action-without-instance': 'detail.EC2InstanceId is missing.',
  'refused/ec2-launch-successful-without-group': 'detail.AutoScalingGroupName is empty.',
  'refused/ec2-terminate-lifecycle-action-launching':
    'detail.LifecycleTransition must be "autoscaling:EC2_INSTANCE_TERMINATING", not "autoscaling:EC2_INSTANCE_LAUNCHING".',
  'refused/ec2-terminate-lifecycle-action-without-instance': 'detail.EC2InstanceId is missing.',
  'refused/ec2-terminate-lifecycle-action-without-token': 'detail.LifecycleActionToken is missing.',
  'refused/ec2-terminate-successful-malformed-instance':
    'detail.EC2InstanceId must be an EC2 instance id such as "i-0123456789abcdef0", not "web-1".',
  'refused/lightsail-create-instances-without-names': 'detail.requestParameters.instanceNames is empty.',
  'refused/lightsail-create-instances-without-parameters': 'detail.requestParameters must be an object, not null.',
  'refused/lightsail-delete-instance-without-name': 'detail.requestParameters.instanceName is missing.',
  'refused/lightsail-delete-instance-without-parameters': 'detail.requestParameters must be an object, not null.',
};

const isEvent = (name: string) => !name.includes('typed-');
const answered = [...Object.keys(enrolments), ...Object.keys(retirements)];
const anAnsweredEvent = fc.constantFrom(...answered).map(sample);

describe('a sample event', () => {
  it.each(Object.entries(enrolments))(
    '%s asks for its enrolments, as the state machine takes them',
    (name, expected) => {
      const interpretation = interpret(sample(name));
      expect(interpretation).toMatchObject({ kind: 'enrolment', requests: expected });
      for (const request of requestsOf(interpretation)) {
        const { instanceId, lightsailInstanceName } = request;
        const input = naming(namedIn({ instanceId, lightsailInstanceName, region: HOME }));
        expect(parseEnrolmentRequest(input)).toEqual({ ...input, region: HOME });
      }
    },
  );

  it.each(Object.entries(retirements))(
    '%s asks for its retirement, by a name that the state machine takes',
    (name, expected) => {
      const interpretation = interpret(sample(name));
      expect(interpretation).toMatchObject({ kind: 'retirement', requests: [expected] });
      for (const request of requestsOf(interpretation)) {
        const named = naming(namedIn({ ...request, region: HOME }));
        expect(parseRetirementRequest(named)).toEqual({ ...named, region: HOME });
      }
    },
  );

  it.each(Object.entries(reasons))('%s is ignored with a reason', (name, reason) => {
    expect(interpret(sample(name))).toEqual({ kind: 'ignored', reason });
  });

  it.each(Object.entries(refusals))('%s is refused with its kind, its id and the field', (name, reason) => {
    const event = sample(name);
    const sentence = `The event "${event['detail-type']}" ${event.id} cannot be read: ${reason}`;
    expect(() => interpret(event)).toThrow(new InvalidRequest(sentence));
  });

  it('is in the folder for every expectation, and has one', () => {
    expect(sampleNames().filter(isEvent).toSorted()).toEqual([...answered, ...Object.keys(reasons)].toSorted());
    const refused = sampleNames('refused/').filter(isEvent);
    expect(refused.toSorted()).toEqual([...Object.keys(refusals), 'refused/no-envelope'].toSorted());
  });

  it.each(table)('stands for $detailType', ({ source, detailType }) => {
    const kinds = answered.map(sample).map((event) => [event.source, event['detail-type']]);
    expect(kinds).toContainEqual([source, detailType]);
  });
});

describe('what is no EventBridge event', () => {
  it('is refused by the field that it lacks', () => {
    const sentence = 'This is no EventBridge event: source is missing.';
    expect(() => interpret(sample('refused/no-envelope'))).toThrow(new InvalidRequest(sentence));
  });

  it('is refused when it is not even an object', () => {
    const sentence = 'This is no EventBridge event: The event must be an object, not "hello".';
    expect(() => interpret('hello')).toThrow(new InvalidRequest(sentence));
    expect(() => interpret(undefined)).toThrow('This is no EventBridge event: The event is missing.');
  });
});

describe('an event of another kind', () => {
  it.each([
    { source: 'aws.ec2', 'detail-type': 'EC2 Instance-launch Lifecycle Action' },
    { source: 'aws.lightsail', 'detail-type': 'EC2 Instance Launch Successful' },
    { source: 'constructor', 'detail-type': 'toString' },
  ])('is ignored whatever it contains: $source, $detail-type', (kind) => {
    expect(interpret({ ...kind, detail: null })).toMatchObject({ kind: 'ignored' });
  });

  it('is a Lightsail call that neither creates nor deletes, allowed or not', () => {
    const refused = { eventName: 'GetInstances', errorCode: 'AccessDenied', requestParameters: null };
    expect(interpret({ ...sample('lightsail-create-instances'), detail: refused })).toEqual({
      kind: 'ignored',
      reason: "Lightsail's GetInstances neither creates nor deletes an instance.",
    });
  });
});

describe('any event', () => {
  it('means the same whatever fields AWS adds to it', () => {
    fc.assert(
      fc.property(anAnsweredEvent, aDictionary(), aDictionary(), (event, extra, extraDetail) => {
        const grown = { ...extra, ...event, detail: { ...extraDetail, ...detailOf(event) } };
        expect(interpret(grown)).toEqual(interpret(event));
      }),
    );
  });

  it('of a known kind is refused by the name of the field that is corrupted', () => {
    fc.assert(
      fc.property(aCorruption(), ({ event, path, value }) => {
        expect(() => interpret(replaced(event, path, value))).toThrow(InvalidRequest);
        expect(() => interpret(replaced(event, path, value))).toThrow(path.join('.'));
      }),
    );
  });

  it('of a finished termination retires nothing that went to a warm pool, and everything else', () => {
    const terminations = fc.constantFrom('ec2-terminate-successful').map(sample);
    const destination = fc.option(fc.oneof(fc.constantFrom('EC2', 'WarmPool'), fc.string()), { nil: undefined });
    fc.assert(
      fc.property(terminations, destination, (event, Destination) => {
        const { kind } = interpret({ ...event, detail: { ...detailOf(event), Destination } });
        expect(kind).toBe(Destination === 'WarmPool' ? 'ignored' : 'retirement');
      }),
    );
  });

  it('is answered or refused with a sentence, never a crash', () => {
    fc.assert(
      fc.property(fc.jsonValue(), anEnvelopeOf(fc.jsonValue()), (value, event) => {
        for (const input of [value, event])
          expect(outcome(input)).toMatch(/^(enrolment|retirement|ignored|InvalidRequest)$/);
      }),
    );
  });
});

function requestsOf(interpretation: Interpretation) {
  return interpretation.kind === 'ignored' ? [] : interpretation.requests;
}

function outcome(input: unknown): string {
  try {
    return interpret(input).kind;
  } catch (error) {
    return error instanceof InvalidRequest ? error.name : String(error);
  }
}

/** Fields that no event has today: AWS's own names begin with a letter. */
function aDictionary() {
  return fc.dictionary(
    fc.string().map((key) => `_${key}`),
    fc.jsonValue(),
  );
}

function anEnvelopeOf(detail: fc.Arbitrary<unknown>) {
  return fc.record({
    source: fc.constantFrom('aws.autoscaling', 'aws.lightsail'),
    'detail-type': fc.constantFrom(...table.map((row) => row.detailType)),
    id: fc.constant('12345678-1234-1234-1234-123456789012'),
    time: fc.constant('2015-05-13T18:43:48Z'),
    detail,
  });
}

const ANY = [['id'], ['time'], ['detail']];
const EC2 = [...ANY, ['detail', 'EC2InstanceId']];
const GROUP = [...EC2, ['detail', 'AutoScalingGroupName']];
const HOOK = [
  ...GROUP,
  ['detail', 'LifecycleActionToken'],
  ['detail', 'LifecycleHookName'],
  ['detail', 'LifecycleTransition'],
];
const LIGHTSAIL = [...ANY, ['detail', 'eventName'], ['detail', 'requestParameters']];
const required: Record<string, string[][]> = {
  'ec2-launch-lifecycle-action': HOOK,
  'ec2-launch-successful': GROUP,
  'ec2-terminate-lifecycle-action': HOOK,
  'ec2-terminate-successful': EC2,
  'lightsail-delete-instance': [...LIGHTSAIL, ['detail', 'requestParameters', 'instanceName']],
  'lightsail-create-instances': [
    ...LIGHTSAIL,
    ['detail', 'requestParameters', 'instanceNames'],
    ['detail', 'requestParameters', 'instanceNames', '0'],
  ],
};

/** One required field of a sample, and a value that the field cannot have. */
function aCorruption() {
  const places = Object.entries(required).flatMap(([name, paths]) => paths.map((path) => ({ name, path })));
  const wrong = fc.constantFrom(undefined, null, '', 0, 7.5, true, [], ['i-1234567890abcdef0', 1]);
  return fc.record({ place: fc.constantFrom(...places), value: wrong }).map(({ place, value }) => {
    return { event: sample(place.name), path: place.path, value };
  });
}

function replaced(event: Record<string, unknown>, path: string[], value: unknown): unknown {
  const copy = structuredClone(event);
  const parents = path.slice(0, -1);
  const parent = parents.reduce<Record<string, unknown>>((node, key) => node[key] as Record<string, unknown>, copy);
  parent[path.at(-1) ?? ''] = value;
  return copy;
}

function detailOf(event: Record<string, unknown>): object {
  return event.detail as object;
}

describe('an event that cannot have happened', () => {
  const kinds = table.map(({ source, detailType }) => {
    const name = sampleNames().find(
      (one) => sample(one).source === source && sample(one)['detail-type'] === detailType,
    );
    return [detailType, sample(name ?? '')] as const;
  });

  it.each(kinds)('(%s) is refused for its Region, its account or its time', (_kind, event) => {
    const refused = (change: object) => () => interpret({ ...event, ...change });
    expect(refused({ region: 'nowhere' })).toThrow('region must be a Region such as "eu-west-1", not "nowhere".');
    expect(refused({ region: undefined })).toThrow('region is missing.');
    expect(refused({ account: '12' })).toThrow('account must be an account number of 12 digits, not "12".');
    expect(refused({ account: undefined })).toThrow('account is missing.');
    expect(refused({ time: '2031-02-30T07:08:09Z' })).toThrow('time must be a time such as');
    expect(refused({ time: 1_700_000_000 })).toThrow(InvalidRequest);
  });
});

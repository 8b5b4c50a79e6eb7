import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type EnrolmentInput,
  executionName,
  namedIn,
  naming,
  parseEnrolmentRequest,
  parseRetirementRequest,
} from '../../../events/request.ts';
import { InvalidRequest } from '../../../lib/errors.ts';
import { sample, sampleNames } from '../../support/samples.ts';

const HOME = 'eu-west-1';

beforeEach(() => void vi.stubEnv('AWS_REGION', HOME));
afterEach(() => vi.unstubAllEnvs());

const TOKEN = '87654321-4321-4321-4321-210987654321';
const EVENT_ID = '12345678-1234-1234-1234-123456789012';

const enrolmentRefusals: Record<string, string> = {
  'both-platforms':
    'Both instanceId (EC2) and lightsailInstanceName (Lightsail) are given: keep the one that you mean.',
  list: 'The input must be an object, not [{"instanceId":"i-0123456789abcdef0"}].',
  'malformed-instance-id':
    'instanceId must be an EC2 instance id such as "i-0123456789abcdef0", not "i-0123456789ABCDEF0".',
  'malformed-lightsail-name':
    'lightsailInstanceName must be a Lightsail instance name such as "web-1" (at most 255 letters, digits, dots, dashes and underscores), not "-web 1".',
  'misspelt-field': 'Unknown field "instanceID". Did you mean "instanceId"?',
  'misspelt-nested-field': 'identity.csr is missing. Unknown field "identity.crs". The fields are csr.',
  'not-an-object': 'The input must be an object, not "i-0123456789abcdef0".',
  nothing: 'No instance is named: add instanceId (EC2) or lightsailInstanceName (Lightsail).',
  'several-faults':
    'instanceId must be an EC2 instance id such as "i-0123456789abcdef0", not "web-1". region must be a Region such as "eu-west-1", not "nowhere". Unknown field "lightsailinstance". Did you mean "lightsailInstanceName"?',
  'unknown-field': 'Unknown field "colour". The fields are instanceId, lightsailInstanceName, region, identity.',
  'with-group':
    'Unknown field "autoScalingGroupName". The fields are instanceId, lightsailInstanceName, region, identity.',
  'with-hook': 'Unknown field "lifecycleAction". The fields are instanceId, lightsailInstanceName, region, identity.',
  'wrong-type': 'instanceId must be an EC2 instance id such as "i-0123456789abcdef0", not 123456789.',
};

const retirementRefusals: Record<string, string> = {
  'both-platforms':
    'Both instanceId (EC2) and lightsailInstanceName (Lightsail) are given: keep the one that you mean.',
  'confirm-false': 'confirm must be true, not false.',
  'confirm-text': 'confirm must be true, not "true".',
  'lightsail-with-hook':
    'Unknown field "lifecycleAction". The fields are instanceId, lightsailInstanceName, region, confirm.',
  'misspelt-confirm': 'Unknown field "confirmed". Did you mean "confirm"?',
  nothing: 'No instance is named: add instanceId (EC2) or lightsailInstanceName (Lightsail).',
  'with-group':
    'Unknown field "autoScalingGroupName". The fields are instanceId, lightsailInstanceName, region, confirm.',
};

const isRetirement = (name: string) => name.includes('typed-retirement');
const isEnrolment = (name: string) => name.includes('typed-') && !isRetirement(name);

describe.each([
  {
    kind: 'enrolment',
    parseRequest: parseEnrolmentRequest,
    isOfKind: isEnrolment,
    prefix: 'refused/typed-',
    refusals: enrolmentRefusals,
  },
  {
    kind: 'retirement',
    parseRequest: parseRetirementRequest,
    isOfKind: isRetirement,
    prefix: 'refused/typed-retirement-',
    refusals: retirementRefusals,
  },
])('the $kind that a person types', ({ parseRequest, isOfKind, prefix, refusals }) => {
  it.each(sampleNames().filter(isOfKind))('%s is accepted, in the stack’s own Region unless it names one', (name) => {
    expect(parseRequest(sample(name))).toEqual({ region: HOME, ...(sample(name) as object) });
  });

  it.each(sampleNames('refused/').filter(isOfKind))('%s is refused in a sentence', (name) => {
    const sentence = refusals[name.replace(prefix, '')] ?? `an expectation for ${name} in this test`;
    expect(() => parseRequest(sample(name))).toThrow(new InvalidRequest(sentence));
  });

  it('has a sample for every refusal in this test', () => {
    const names = sampleNames('refused/').filter(isOfKind);
    expect(names.map((name) => name.replace(prefix, '')).toSorted()).toEqual(Object.keys(refusals).toSorted());
  });

  it('is taken or refused with a sentence, never a crash, whatever is typed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), aNearMiss()), (input) => {
        expect(refusalOf(input, parseRequest)).toMatch(/^$|\.$|\?$/);
      }),
    );
  });
});

describe('an input from the version before, which an event had made', () => {
  it('is read without what the ledger says today', () => {
    const former = {
      instanceId: 'i-0123456789abcdef0',
      lifecycleAction: actionWith(TOKEN),
      autoScalingGroupName: 'web',
      leaveOut: ['imdsv2'],
      trigger: triggerWith(EVENT_ID),
    };
    const instance = { instanceId: 'i-0123456789abcdef0' };
    expect(parseEnrolmentRequest(former)).toEqual(parseEnrolmentRequest(instance));
  });
});

describe('a retirement that a person types', () => {
  it('is confirmed by the word true and by nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (confirm) => {
        const refusal = refusalOf({ instanceId: 'i-0123456789abcdef0', confirm }, parseRetirementRequest);
        if (confirm === true) expect(refusal).toBe('');
        else expect(refusal).toMatch(/^confirm must be true, not /);
      }),
    );
  });
});

describe('the instance that a request names', () => {
  it('is the same again in the request that names it', () => {
    fc.assert(
      fc.property(aTriggeredRequest(), fc.constantFrom('eu-west-1', 'us-east-1'), (request, home) => {
        vi.stubEnv('AWS_REGION', home);
        const which = namedIn(parseEnrolmentRequest(request));
        expect(namedIn(parseEnrolmentRequest(naming(which)))).toEqual(which);
        expect(which.region).toBe(request.region ?? home);
      }),
    );
  });

  it('is without its Region where that is the stack’s own', () => {
    const which = { platform: 'lightsail', instanceId: 'web-1', region: 'us-east-1' } as const;
    vi.stubEnv('AWS_REGION', 'us-east-1');
    expect(naming(which)).toEqual({ lightsailInstanceName: 'web-1' });
    vi.stubEnv('AWS_REGION', 'eu-west-1');
    expect(naming(which)).toEqual({ lightsailInstanceName: 'web-1', region: 'us-east-1' });
  });

  it.each(['us-east', 'us-east-1a', 'US-EAST-1', '', 'us-east-1/web'])('is in no Region %j', (region) => {
    expect(refusalOf({ instanceId: 'i-0123456789abcdef0', region })).toMatch(
      /^region must be a Region such as "eu-west-1"/,
    );
  });
});

describe('an input that a person types', () => {
  it.each([
    ['InstanceId', 'instanceId'],
    ['EC2InstanceId', 'instanceId'],
    ['instance_id', 'instanceId'],
    ['instnaceId', 'instanceId'],
    ['lightsailName', 'lightsailInstanceName'],
    ['lightSailInstancename', 'lightsailInstanceName'],
  ])('with the field %s is told about %s', (typed, meant) => {
    const sentence = `Unknown field "${typed}". Did you mean "${meant}"?`;
    expect(() => parseEnrolmentRequest({ [typed]: 'x' })).toThrow(new InvalidRequest(sentence));
  });

  it('names all unknown fields, and once the fields that there are', () => {
    const sentence =
      'Unknown field "a". Unknown field "b". The fields are instanceId, lightsailInstanceName, region, identity.';
    expect(() => parseEnrolmentRequest({ a: 1, b: 2 })).toThrow(new InvalidRequest(sentence));
  });

  it('keeps the message short when a whole document is pasted', () => {
    const pasted = { instanceId: `i-${'0123456789'.repeat(1000)}` };
    expect(() => parseEnrolmentRequest(pasted)).toThrow(/not "i-0123456789.*…\.$/);
    expect(refusalOf(pasted)?.length).toBeLessThan(200);
  });

  it.each(['a', 'web-1', 'Web.Front_2', '1', 'a'.repeat(255)])('may name a Lightsail instance %s', (name) => {
    expect(parseEnrolmentRequest({ lightsailInstanceName: name })).toEqual({
      lightsailInstanceName: name,
      region: HOME,
    });
  });

  it.each(['', '-a', 'a-', '.a', 'a b', 'ä', 'a'.repeat(256), 'a\n'])('may not name one %j', (name) => {
    expect(refusalOf({ lightsailInstanceName: name })).toContain('lightsailInstanceName');
  });
});

describe('the name of an execution', () => {
  const hooked = {
    instanceId: 'i-1234567890abcdef0',
    lifecycleAction: actionWith(TOKEN),
    trigger: triggerWith(EVENT_ID),
  };
  const lightsail = { lightsailInstanceName: 'web-1', trigger: triggerWith(EVENT_ID) };

  it('is made from the instance and the token of its hook', () => {
    expect(executionName(hooked)).toBe(`i-1234567890abcdef0-${TOKEN}`);
  });

  it('is made from the instance and the event where no hook waits', () => {
    const launched = { instanceId: 'i-1234567890abcdef0', autoScalingGroupName: 'web', trigger: triggerWith(EVENT_ID) };
    expect(executionName(launched)).toBe(`i-1234567890abcdef0-${EVENT_ID}`);
    expect(executionName(lightsail)).toBe(`lightsail-web-1-${EVENT_ID}`);
  });

  it('is made in the same way for a retirement', () => {
    const lifecycleAction = { ...actionWith(TOKEN), lifecycleHookName: 'muster-terminate' };
    expect(executionName({ ...hooked, lifecycleAction })).toBe(`i-1234567890abcdef0-${TOKEN}`);
  });

  it('stays the same when a launch is announced again by another event', () => {
    expect(executionName({ ...hooked, trigger: triggerWith(TOKEN) })).toBe(executionName(hooked));
  });

  it('begins with the instance and ends with a hash where a character or the length forbids more', () => {
    expect(executionName({ ...lightsail, lightsailInstanceName: 'web.1' })).toMatch(/^lightsail-web-1-[0-9a-f]{64}$/);
    expect(executionName({ ...lightsail, lightsailInstanceName: 'w'.repeat(34) })).toMatch(
      /^lightsail-wwwww-[0-9a-f]{64}$/,
    );
  });

  it('tells two Lightsail instances of one name apart, and keeps the name of the one at home', () => {
    expect(executionName({ ...lightsail, region: 'us-east-1' })).toMatch(/^lightsail-us-ea-[0-9a-f]{64}$/);
    expect(executionName({ ...hooked, region: 'us-east-1' })).toBe(executionName(hooked));
    expect(executionName({ ...lightsail, region: HOME })).toBe(`lightsail-web-1-${EVENT_ID}`);
    const alike = { ...lightsail, lightsailInstanceName: 'us-east-1-web-1' };
    expect(executionName(alike)).toBe(`lightsail-us-east-1-web-1-${EVENT_ID}`);
  });

  it('is one that Step Functions takes, and the same again for the same request', () => {
    fc.assert(
      fc.property(aTriggeredRequest(), (request) => {
        expect(executionName(request)).toMatch(/^[A-Za-z0-9_-]{1,80}$/);
        expect(executionName(structuredClone(request))).toBe(executionName(request));
      }),
    );
  });

  it('is different for different instances and occasions', () => {
    const different = fc.uniqueArray(aTriggeredRequest(), { selector: identityOf, minLength: 30, maxLength: 50 });
    fc.assert(
      fc.property(different, (requests) => {
        expect(new Set(requests.map(executionName)).size).toBe(requests.length);
      }),
    );
  });
});

function refusalOf(input: unknown, parseRequest: (input: unknown) => unknown = parseEnrolmentRequest): string {
  try {
    parseRequest(input);
    return '';
  } catch (error) {
    if (error instanceof InvalidRequest) return error.message;
    throw error;
  }
}

/** The right fields with anything in them. */
function aNearMiss() {
  const anything = fc.jsonValue();
  const fields = { autoScalingGroupName: anything, lifecycleHookName: anything, lifecycleActionToken: anything };
  const lifecycleAction = fc.record(fields, { requiredKeys: [] });
  return fc.record(
    { instanceId: anything, lightsailInstanceName: anything, lifecycleAction, confirm: anything },
    { requiredKeys: [] },
  );
}

function triggerWith(eventId: string) {
  return { detailType: 'EC2 Instance-launch Lifecycle Action', eventId, eventTime: '2015-05-13T18:43:48Z' };
}

function actionWith(lifecycleActionToken: string) {
  return { autoScalingGroupName: 'web', lifecycleHookName: 'muster-launch', lifecycleActionToken };
}

/** Few values, chosen so that a name which only glues its parts together gives two requests one name. */
function aTriggeredRequest(): fc.Arbitrary<EnrolmentInput> {
  const eventId = fc.constantFrom('1', '-1', '1-1', EVENT_ID, `1-${EVENT_ID}`, 'a b');
  const name = fc.constantFrom('web', 'web-1', 'web-1-1', 'web.1', 'i-1234567890abcdef0', 'w'.repeat(255));
  const token = fc.constantFrom(TOKEN, `${TOKEN.slice(1)}Z`, `${TOKEN.slice(1)} `);
  const id = fc.constantFrom('i-12345678', 'i-1234567890abcdef0');
  return fc.oneof(
    fc.record({ lightsailInstanceName: name, trigger: eventId.map(triggerWith) }),
    fc.record({
      lightsailInstanceName: name,
      region: fc.constantFrom('us-east-1', 'us-west-2'),
      trigger: eventId.map(triggerWith),
    }),
    fc.record({ instanceId: id, trigger: eventId.map(triggerWith) }),
    fc.record({ instanceId: id, lifecycleAction: token.map(actionWith), trigger: eventId.map(triggerWith) }),
  );
}

function identityOf({ instanceId, lightsailInstanceName, region, lifecycleAction, trigger }: EnrolmentInput): string {
  const occasion = lifecycleAction?.lifecycleActionToken ?? trigger.eventId;
  return JSON.stringify([instanceId, lightsailInstanceName, region, occasion]);
}

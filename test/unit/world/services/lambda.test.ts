import { DescribeServersCommand, OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import type { Context } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { type Handler, LambdaHost } from '../../../../world/services/lambda.ts';
import { TaskFailure } from '../../../../world/states/task-failure.ts';
import { openPort } from '../../../support/open-port.ts';

function hostOf(handlers: Record<string, Handler>, timeoutSeconds = 30) {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date(0) });
  const functions = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [name, { handler: async () => handler, timeoutSeconds }]),
  );
  return { clock, lambda: new LambdaHost({ clock, random: seededRandom(1), functions }) };
}

/** How an invocation failed: error and cause, the cause as Lambda's JSON. */
async function failureOf(invocation: Promise<unknown>) {
  const failure: unknown = await invocation.catch((error: unknown) => error);
  if (!(failure instanceof TaskFailure)) throw new Error(`The invocation did not fail as a task: ${failure}`);
  return { error: failure.error, cause: JSON.parse(failure.cause ?? 'null') };
}

const later = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('An invocation', () => {
  it('finds the function by name, by ARN and by the ARN of a version', async () => {
    const { lambda } = hostOf({ greet: async () => 'hello' });
    const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:greet';
    for (const name of ['greet', arn, `${arn}:live`]) expect(await lambda.invoke(name, {})).toBe('hello');
  });

  it('passes payload and answer through JSON', async () => {
    const payload = { at: new Date(0), nothing: undefined, list: [undefined] };
    const answer = { same: payload, map: new Map([['a', 1]]) };
    let received: unknown;
    const take: Handler = async (event) => {
      received = event;
      return answer;
    };
    const { lambda } = hostOf({ take, nothing: async () => undefined });
    const same = { at: '1970-01-01T00:00:00.000Z', list: [null] };
    expect(await lambda.invoke('take', payload)).toStrictEqual({ same, map: {} });
    expect(received).toStrictEqual(same);
    expect(await lambda.invoke('nothing', payload)).toBeNull();
  });

  it('gives the handler the context of Lambda', async () => {
    let context: Context | undefined;
    const take: Handler = async (_event, given) => {
      context = given;
    };
    const { lambda } = hostOf({ take }, 5);
    await lambda.invoke('take', {});
    expect(context).toMatchObject({
      awsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      functionName: 'take',
      invokedFunctionArn: 'arn:aws:lambda:eu-west-1:123456789012:function:take',
    });
    expect(context?.getRemainingTimeInMillis()).toBeLessThanOrEqual(5000);
    expect(context?.getRemainingTimeInMillis()).toBeGreaterThan(1000);
  });

  it("fails in Lambda's words when the handler throws", async () => {
    class ServerNotReady extends Error {
      override readonly name = 'ServerNotReady';
    }
    const throwing = (thrown: unknown): Handler => {
      return async () => {
        throw thrown;
      };
    };
    const { lambda } = hostOf({ error: throwing(new ServerNotReady('Wait.')), text: throwing('oh') });
    expect(await failureOf(lambda.invoke('error', {}))).toEqual({
      error: 'ServerNotReady',
      cause: {
        errorType: 'ServerNotReady',
        errorMessage: 'Wait.',
        trace: expect.arrayContaining([expect.any(String)]),
      },
    });
    const cause = { errorType: 'string', errorMessage: 'oh', trace: [] };
    expect(await failureOf(lambda.invoke('text', {}))).toEqual({ error: 'string', cause });
  });

  it('fails when the handler cannot be loaded, and when there is no such function', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY });
    const handler = () => Promise.reject(new SyntaxError('Unexpected token'));
    const functions = { broken: { handler, timeoutSeconds: 1 } };
    const lambda = new LambdaHost({ clock, random: seededRandom(1), functions });
    expect(await failureOf(lambda.invoke('broken', {}))).toMatchObject({ error: 'SyntaxError' });
    await expect(lambda.invoke('constructor', {})).rejects.toMatchObject({ error: 'Lambda.ResourceNotFoundException' });
  });

  it('stops time while the handler runs', async () => {
    let finish: (value: unknown) => void = () => {};
    const { lambda, clock } = hostOf({ wait: () => new Promise((resolve) => (finish = resolve)) }, 3600);
    const invocation = lambda.invoke('wait', {});
    const second = clock.advance(1000);
    await later();
    expect(clock.now()).toBe(0);
    finish('done');
    expect(await invocation).toBe('done');
    await second;
    expect(clock.now()).toBe(1000);
  });

  it('is given up after its time, while the handler goes on and its late write is real', async () => {
    const written: number[] = [];
    const { clock, lambda } = hostOf(
      {
        late: async (_event, { awsRequestId }) => {
          // What a delayed API call does.
          const hold = lambda.holdOf(awsRequestId);
          hold?.letGo();
          await clock.sleep(10_000);
          hold?.takeBack();
          written.push(clock.now());
        },
      },
      3,
    );
    const failure = await clock.run(failureOf(lambda.invoke('late', {})));
    expect(failure).toEqual({
      error: 'Sandbox.Timedout',
      cause: {
        errorType: 'Sandbox.Timedout',
        errorMessage: expect.stringMatching(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 3\.00 seconds$/),
      },
    });
    expect(clock.now()).toBe(3000);
    expect(written).toEqual([]);
    await clock.run();
    expect(written).toEqual([10_000]);
  });

  it('leaves no timer behind', async () => {
    const { lambda, clock } = hostOf({ greet: async () => 'hello' });
    await lambda.invoke('greet', {});
    await clock.run();
    expect(clock.now()).toBe(0);
  });

  it('can be killed before and after its work', async () => {
    const done: unknown[] = [];
    const { lambda } = hostOf({ work: async (event) => done.push(event) });
    lambda.interceptor = async (invocation, next) => {
      if (invocation.payload === 'after') await next();
      throw new TaskFailure('Lambda.Unknown', `"${invocation.functionName} was killed."`);
    };
    const killed = { error: 'Lambda.Unknown', cause: 'work was killed.' };
    expect(await failureOf(lambda.invoke('work', 'before'))).toEqual(killed);
    expect(await failureOf(lambda.invoke('work', 'after'))).toEqual(killed);
    expect(done).toEqual(['after']);
  });
});

describe('A call from a handler', () => {
  it('says from which invocation it comes, also when several run at once', async () => {
    const DescribeServers = () => ({ Servers: [] });
    const { client, heard } = await openPort([{ name: 'opsworks-cm', operations: { DescribeServers } }]);
    const opsWorksCm = new OpsWorksCMClient(client);
    const ids = new Map<unknown, string>();
    const { lambda } = hostOf({
      call: async (ServerName, { awsRequestId }) => {
        ids.set(ServerName, awsRequestId);
        await opsWorksCm.send(new DescribeServersCommand({ ServerName: String(ServerName) }));
      },
    });
    await Promise.all(['one', 'two', 'three'].map((name) => lambda.invoke('call', name)));
    await opsWorksCm.send(new DescribeServersCommand({ ServerName: 'outside' }));
    const callers = heard.map((call) => [(call.input as { ServerName: string }).ServerName, call.invocationId]);
    expect(new Map(callers as [string, string][])).toEqual(new Map([...ids, ['outside', undefined]]));
  });

  it('that is answered late lets time pass, and the function can run out of its own', async () => {
    const { lambda, clock } = hostOf(
      {
        call: async () => {
          const answer = await new OpsWorksCMClient(port.client).send(new DescribeServersCommand({}));
          return answer.Servers?.length;
        },
      },
      60,
    );
    const DescribeServers = () => ({ Servers: [] });
    const services = [{ name: 'opsworks-cm' as const, operations: { DescribeServers } }];
    const port = await openPort(services, { clock, holdOf: (id) => lambda.holdOf(id) });
    port.faults.set([
      { service: 'opsworks-cm', delaySeconds: 45, times: 1 },
      { service: 'opsworks-cm', delaySeconds: 90 },
    ]);
    expect(await clock.run(lambda.invoke('call', {}))).toBe(0);
    expect(clock.now()).toBe(45_000);
    expect(await clock.run(failureOf(lambda.invoke('call', {})))).toMatchObject({ error: 'Sandbox.Timedout' });
    expect(clock.now()).toBe(105_000);
  });

  it('by fetch says so as well, and lets time pass', async () => {
    const { lambda, clock } = hostOf({ call: async () => (await fetch(port.endpoint, asked)).status });
    const headers = { 'x-amz-target': 'OpsWorksCM_V2016_11_01.DescribeServers' };
    const asked = { method: 'POST', headers, body: '{}' };
    const services = [{ name: 'opsworks-cm' as const, operations: { DescribeServers: () => ({ Servers: [] }) } }];
    const port = await openPort(services, { clock, holdOf: (id) => lambda.holdOf(id) });
    port.faults.set([{ service: 'opsworks-cm', delaySeconds: 2 }]);
    expect(await clock.run(lambda.invoke('call', {}))).toBe(200);
    expect(clock.now()).toBe(2_000);
  });
});

describe('An asynchronous invocation', () => {
  it('runs again after one minute and after two more', async () => {
    const instants: number[] = [];
    const { lambda, clock } = hostOf({
      flaky: async () => {
        instants.push(clock.now());
        if (instants.length < 3) throw new Error('Not yet.');
      },
    });
    await clock.run(lambda.invokeAsync('flaky', { id: 1 }));
    expect(instants).toEqual([0, 60_000, 180_000]);
    expect(lambda.deadLetters).toEqual([]);
  });

  it('is a dead letter with its reason when the third run fails', async () => {
    const requestIds = new Set<string>();
    const { lambda, clock } = hostOf({
      broken: async (_event, { awsRequestId }) => {
        requestIds.add(awsRequestId);
        throw new RangeError('Never.');
      },
    });
    await clock.run(lambda.invokeAsync('arn:aws:lambda:eu-west-1:123456789012:function:broken', { id: 1 }));
    expect(lambda.deadLetters).toMatchObject([
      { functionName: 'broken', payload: { id: 1 }, error: { error: 'RangeError' }, instant: 180_000 },
    ]);
    expect(requestIds.size).toBe(1);
  });
});

describe('What a handler writes', () => {
  it('goes line by line to the listener', async () => {
    const heard: string[] = [];
    const talk: Handler = async () => {
      process.stdout.write('one\ntwo\n');
      process.stderr.write('three\n');
    };
    const lambda = new LambdaHost({
      clock: new WorldClock({ speed: Number.POSITIVE_INFINITY }),
      random: seededRandom(1),
      functions: { talk: { handler: async () => talk, timeoutSeconds: 30 } },
      onLog: (line, { functionName }) => heard.push(`${functionName}: ${line}`),
    });
    await lambda.invoke('talk', {});
    expect(heard).toEqual(['talk: one', 'talk: two', 'talk: three']);
  });
});

import { type AwsEvent, awsEvent, type Emit, isoSeconds } from '../../eventbridge/aws-event.ts';
import { ACCOUNT_ID, REGION } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import { hex } from '../../kernel/hex.ts';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import { type Operation, type RequestContext, ServiceError } from '../../wire/service.ts';

/** A call to an API as CloudTrail records it. Parameters and elements bear the API's own member names. */
export interface ApiCall {
  readonly eventName: string;
  readonly requestId: string;
  /** null for a call that was not let through. */
  readonly requestParameters: object | null;
  readonly responseElements: unknown;
  readonly errorCode?: string;
  readonly errorMessage?: string;
}

const PRINCIPAL = 'AROAEXAMPLEOPERATORID';
const ROLE = 'operator';
/** What a trail writes in the place of a launch script. */
const HIDDEN = 'HIDDEN_DUE_TO_SECURITY_REASONS';

/** A trail with logging on: hands the calls to Lightsail that change something to EventBridge. */
export class Trail {
  readonly #options: { clock: Clock; random: Random; emit: Emit; trailSeconds: number };

  /** `trailSeconds` pass from a call to its event. */
  constructor(options: { clock: Clock; random: Random; emit: Emit; trailSeconds: number }) {
    this.#options = options;
  }

  /** The same operation, each call of which leaves an event, refused calls included. */
  recorded<Request extends object, Answer extends object>(
    eventName: string,
    operation: (input: Request, context: RequestContext) => Answer,
  ): Operation<Request, Answer> {
    return (input, context) => {
      const { requestId, region = REGION } = context;
      // Another Region has a bus of its own, to which no rule here listens.
      if (region !== REGION) return operation(input, context);
      const requestParameters = 'userData' in input ? { ...input, userData: HIDDEN } : { ...input };
      try {
        const answer = operation(input, context);
        this.record({ eventName, requestId, requestParameters, responseElements: withTrailDates(answer) });
        return answer;
      } catch (error) {
        if (error instanceof ServiceError) {
          const { code: errorCode, message: errorMessage } = error;
          this.record({ eventName, requestId, requestParameters, responseElements: null, errorCode, errorMessage });
        }
        throw error;
      }
    };
  }

  /** Leaves the event of one call. */
  record(call: ApiCall): void {
    const { clock, emit, trailSeconds } = this.#options;
    const event = lightsailCallEvent(call, this.#options);
    clock.at(clock.now() + trailSeconds * 1000, () => emit(event));
  }
}

/**
 * The event `AWS API Call via CloudTrail` of a call to Lightsail, which a trail with logging hands to EventBridge. A
 * refused call has its event too, with `errorCode`.
 */
function lightsailCallEvent(call: ApiCall, origin: { clock: Clock; random: Random }): AwsEvent {
  const eventTime = isoSeconds(origin.clock.now());
  const { errorCode, errorMessage } = call;
  const detail = {
    eventVersion: '1.11',
    userIdentity: assumedRole(eventTime, `ASIA${hex(origin.random, 16).toUpperCase()}`),
    eventTime,
    eventSource: 'lightsail.amazonaws.com',
    eventName: call.eventName,
    awsRegion: REGION,
    sourceIPAddress: '192.0.2.10',
    userAgent: 'aws-cli/2.31.0',
    ...(errorCode !== undefined && { errorCode, errorMessage }),
    requestParameters: call.requestParameters,
    responseElements: call.responseElements,
    requestID: call.requestId,
    eventID: uuid(origin.random),
    readOnly: false,
    eventType: 'AwsApiCall',
    managementEvent: true,
    recipientAccountId: ACCOUNT_ID,
    eventCategory: 'Management',
  };
  return awsEvent(
    { source: 'aws.lightsail', 'detail-type': 'AWS API Call via CloudTrail', resources: [], detail },
    origin,
  );
}

/** An instant as CloudTrail writes it inside of Lightsail's answers: `Nov 21, 2031 7:08:09 PM`. */
function cloudTrailDate(instant: Date): string {
  return CLOUDTRAIL_DATE.format(instant).replace(/(\d{4}),/, '$1');
}

const CLOUDTRAIL_DATE = new Intl.DateTimeFormat('en-US', { dateStyle: 'medium', timeStyle: 'medium', timeZone: 'UTC' });

function assumedRole(creationDate: string, accessKeyId: string) {
  const role = { principalId: PRINCIPAL, accountId: ACCOUNT_ID };
  return {
    type: 'AssumedRole',
    principalId: `${PRINCIPAL}:${ROLE}`,
    arn: `arn:aws:sts::${ACCOUNT_ID}:assumed-role/${ROLE}/${ROLE}`,
    accountId: ACCOUNT_ID,
    accessKeyId,
    sessionContext: {
      sessionIssuer: { type: 'Role', ...role, arn: `arn:aws:iam::${ACCOUNT_ID}:role/${ROLE}`, userName: ROLE },
      attributes: { creationDate, mfaAuthenticated: 'false' },
    },
  };
}

function withTrailDates(answer: object): unknown {
  return JSON.parse(
    JSON.stringify(answer, function (this: Record<string, unknown>, key, value) {
      const original = this[key];
      return original instanceof Date ? cloudTrailDate(original) : value;
    }),
  );
}

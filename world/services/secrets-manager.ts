import type {
  DescribeSecretCommandInput,
  DescribeSecretResponse,
  GetSecretValueCommandInput,
  GetSecretValueResponse,
} from '@aws-sdk/client-secrets-manager';
import { ACCOUNT_ID, REGION } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { uuid } from '../kernel/uuid.ts';
import { ServiceError, type ServiceOf } from '../wire/service.ts';

interface Secret {
  readonly name: string;
  readonly arn: string;
  readonly createdAt: Date;
  versionId: string;
  text: string;
  deletedAt?: Date | undefined;
}

/** AWS Secrets Manager, as far as secrets are read: by name or ARN, their current version. */
export class SecretsManager {
  readonly service: ServiceOf<'secretsmanager'>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #secrets = new Map<string, Secret>();

  constructor({
    clock,
    random,
    secrets = {},
  }: {
    clock: Clock;
    random: Random;
    secrets?: Readonly<Record<string, string>>;
  }) {
    this.#clock = clock;
    this.#random = random;
    for (const [name, text] of Object.entries(secrets)) this.put(name, text);
    const operations = {
      GetSecretValue: (input: GetSecretValueCommandInput) => this.#getSecretValue(input),
      DescribeSecret: (input: DescribeSecretCommandInput) => this.#describeSecret(input),
    };
    this.service = { name: 'secretsmanager', operations };
  }

  /** Makes the secret, or gives it another text. */
  put(name: string, text: string): void {
    const versionId = uuid(this.#random);
    const known = this.#secrets.get(name);
    if (known) Object.assign(known, { text, versionId, deletedAt: undefined });
    else this.#secrets.set(name, { ...this.#born(name), text, versionId });
  }

  /** Schedules its deletion, as DeleteSecret does. */
  remove(name: string): void {
    this.#find(name).deletedAt = new Date(this.#clock.now());
  }

  #born(name: string): Pick<Secret, 'name' | 'arn' | 'createdAt'> {
    const suffix = uuid(this.#random).slice(0, 6);
    const arn = `arn:aws:secretsmanager:${REGION}:${ACCOUNT_ID}:secret:${name}-${suffix}`;
    return { name, arn, createdAt: new Date(this.#clock.now()) };
  }

  #getSecretValue({ SecretId: id = '' }: GetSecretValueCommandInput): GetSecretValueResponse {
    const { arn, name, text, versionId, createdAt, deletedAt } = this.#find(id);
    if (deletedAt) {
      throw new ServiceError(
        'InvalidRequestException',
        "You can't perform this operation on the secret because it was marked for deletion.",
      );
    }
    return {
      ARN: arn,
      Name: name,
      VersionId: versionId,
      SecretString: text,
      VersionStages: ['AWSCURRENT'],
      CreatedDate: createdAt,
    };
  }

  #describeSecret({ SecretId: id = '' }: DescribeSecretCommandInput): DescribeSecretResponse {
    const { arn, name, createdAt, deletedAt, versionId } = this.#find(id);
    return {
      ARN: arn,
      Name: name,
      CreatedDate: createdAt,
      ...(deletedAt && { DeletedDate: deletedAt }),
      VersionIdsToStages: { [versionId]: ['AWSCURRENT'] },
    };
  }

  #find(id: string): Secret {
    const found = this.#secrets.values().find(({ name, arn }) => name === id || arn === id);
    if (!found) throw new ServiceError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
    return found;
  }
}

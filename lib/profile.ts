import * as z from 'zod';
import { Associate } from './servers.ts';

/** A name, or a pattern in which `*` stands for any characters. */
const Glob = z.string().min(1);

const Match = z
  .strictObject({
    autoScalingGroup: Glob.optional(),
    lightsail: Glob.optional(),
    tags: z.record(z.string(), z.string()).optional(),
  })
  .refine((match) => Object.keys(match).length > 0, 'Say at least one of autoScalingGroup, lightsail and tags.')
  .refine(
    (match) => !(match.autoScalingGroup && match.lightsail),
    'A Lightsail instance is never in an Auto Scaling group: keep autoScalingGroup or lightsail.',
  );

/** OpsWorks Stacks: the stack that the instance joins, and the custom layers that it is assigned to. */
export const Register = z.strictObject({ stackId: z.uuid(), layerIds: z.array(z.uuid()).min(1).optional() });
export type Register = z.infer<typeof Register>;

/** Only the options named here are ever changed; httpTokens is named always, because Lightsail resets it otherwise. */
export const Metadata = z.strictObject({
  httpTokens: z.enum(['required', 'optional']),
  httpEndpoint: z.enum(['enabled', 'disabled']).optional(),
  httpPutResponseHopLimit: z.int().min(1).max(64).optional(),
  /** What an instance that cannot do this means for its launch: `continue` without it, or `fail` the enrolment. */
  onFailure: z.enum(['continue', 'fail']).default('continue'),
  /** A sweep hardens an instance only when IMDSv1 was asked for nothing in so many days. CloudWatch keeps 455. */
  lookBackDays: z
    .int()
    .min(1, 'Say at least one day: without looking back, no metric shows which software still uses IMDSv1.')
    .max(455, 'CloudWatch keeps 455 days.')
    .default(14),
  /** Which part of a fleet a sweep hardens before the others. */
  canary: z.stringFormat('a share such as "10%", from 1% to 100%', /^([1-9]\d?|100)%$/).default('10%'),
});
export type Metadata = z.infer<typeof Metadata>;
/** Of them, what is asked of an instance. */
export type WantedOptions = Pick<Metadata, 'httpTokens' | 'httpEndpoint' | 'httpPutResponseHopLimit'>;

/** The name of a Region, in any of AWS's partitions. */
export const RegionName = z.stringFormat('a Region such as "eu-west-1"', /^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/);

/** `i-` and 17 hexadecimal digits; 8 for instances from before 2016. */
export const InstanceId = z.stringFormat(
  'an EC2 instance id such as "i-0123456789abcdef0"',
  /^i-[0-9a-f]{8}([0-9a-f]{9})?$/,
);

export const Profile = z
  .strictObject({
    name: z.stringFormat('1 to 63 lower-case letters, digits and hyphens', /^[a-z0-9][a-z0-9-]{0,62}$/),
    match: Match,
    /** The Regions in which its instances are; left out, the stack's own alone. */
    regions: z
      .array(RegionName)
      .min(1, "Name at least one Region, or leave regions out for the stack's own.")
      .superRefine((regions, context) => {
        regions.forEach((region, index) => {
          if (regions.indexOf(region) < index)
            context.addIssue({ code: 'custom', path: [index], message: `"${region}" is named twice: keep it once.` });
        });
      })
      .optional(),
    /** The launch hook in which an instance waits for its enrolment; left out, nothing waits for it. */
    lifecycleHook: z.string().min(1).max(255).optional(),
    /** The termination hook in which an instance waits for its retirement to begin. */
    terminationHook: z.string().min(1).max(255).optional(),
    register: Register.optional(),
    associate: Associate.optional(),
    /**
     * Where a Lightsail instance's CSR comes from: the `node` itself, over Systems Manager (the default), or the
     * `request`: an enrolment whose request brings none then only hardens.
     */
    csrFrom: z.enum(['node', 'request']).optional(),
    metadata: Metadata.optional(),
    /**
     * Whether a sweep moves running nodes when the profile names another server; left out, it reports them and leaves them
     * on their former one.
     */
    move: z.boolean().optional(),
    /** How long an enrolment that no hook waits for may take. A hook sets its own limit. */
    enrolWithinMinutes: z.int().min(5).max(2880).default(60),
    /** What a failed enrolment means for the launch that waits for it: functions/decide-failure.ts. */
    onFailure: z.enum(['hold', 'abandon', 'continue']).default('hold'),
    /** How many launches of one group may be abandoned within an hour; above it they are held. */
    abandonLimit: z.int().min(1).max(100).default(3),
  })
  .refine((profile) => profile.register || profile.associate || profile.metadata, {
    message: 'It asks for nothing: say at least one of register, associate and metadata.',
  })
  .refine((profile) => !(profile.match.lightsail && profile.register), {
    message: 'OpsWorks Stacks takes no Lightsail instances: remove register.',
  })
  .refine((profile) => !(profile.register && (profile.regions ?? []).length > 1), {
    path: ['regions'],
    message: 'An OpsWorks stack takes instances of its own Region only: name that one, or remove register.',
  })
  .refine((profile) => !profile.csrFrom || (profile.associate && !profile.match.autoScalingGroup), {
    path: ['csrFrom'],
    message: 'csrFrom is for Lightsail instances that are associated: remove it.',
  })
  .refine((profile) => !(profile.match.lightsail && (profile.lifecycleHook || profile.terminationHook)), {
    message: 'Lightsail instances have no lifecycle hooks: remove lifecycleHook and terminationHook.',
  });
export type Profile = z.infer<typeof Profile>;

/** What an instance can be exempt from: the metadata options; or the stack and the configuration server. */
export const EXEMPTIBLE = ['imdsv2', 'association'] as const;
export type Exemptible = (typeof EXEMPTIBLE)[number];

/** Tags that only AWS itself can set; an instance's role may allow it to set all others on itself. */
export const isReservedTag = (key: string) => key.startsWith('aws:');

/** Who is left out, from what, and who answers for it until when. The rules are in profiles/exemptions.ts. */
export const Exemption = z
  .strictObject({
    match: z
      .strictObject({
        instanceId: InstanceId.optional(),
        /** The Lightsail instance's name; with `trusted: tags`, the EC2 instance's tag `Name` too. */
        name: Glob.optional(),
        tags: z.record(z.string(), z.string()).optional(),
      })
      .refine(
        ({ instanceId, name, tags }) => instanceId || name || Object.keys(tags ?? {}).length > 0,
        'Say at least one of instanceId, name and tags.',
      ),
    /** Says that no instance can set its own tags: then `name` and `tags` exempt by them. */
    trusted: z.literal('tags').optional(),
    from: z.array(z.enum(EXEMPTIBLE)).min(1),
    owner: z.string('Say who answers for it.').trim().min(1, 'Say who answers for it.'),
    reason: z.string('Say why.').trim().min(1, 'Say why.'),
    /** The last day on which it exempts, in UTC. */
    expires: z.iso.date('Say the last day on which it exempts, as YYYY-MM-DD, at most a year away.'),
  })
  .refine(({ match: { tags = {} }, trusted }) => trusted === 'tags' || Object.keys(tags).every(isReservedTag), {
    path: ['match', 'tags'],
    message:
      'An instance may be allowed to set its own tags, and so to exempt itself. Add "trusted: tags" if only you can set ' +
      'these, or name instances by instanceId.',
  });
export type Exemption = z.infer<typeof Exemption>;

/** How fast a sweep goes, and where it stops and asks. */
export const SweepSettings = z.strictObject({
  /** The most executions that one sweep starts, of all profiles together. */
  maxStarts: z.int().min(1).max(1000).default(100),
  /** The most nodes that may be gone at once. Left out: 10, or 5 % of the profile's, whichever is less. */
  maxRetirements: z.int().min(0).optional(),
});
export type SweepSettings = z.infer<typeof SweepSettings>;

/** A profile of a deployed stack: its Regions are filled in. */
export type DeployedProfile = Profile & { readonly regions: readonly string[] };

/** @param home the stack's own Region */
export function deployed(profile: Profile, home: string): DeployedProfile {
  return { ...profile, regions: profile.regions ?? [home] };
}

import * as z from 'zod';

/**
 * What a sweep leaves behind: counts for each profile, and a row for each instance that is not as it should be. It is
 * the report's JSON form, and what its other forms are made from.
 */
const Count = z.int().min(0);

/** What a sweep found of an instance that is not as its profile says. sweep/report-words.ts says what each means. */
export const FINDINGS = [
  'drifting',
  'still-on-imdsv1',
  'after-canary',
  'reverted',
  'exempt',
  'failed',
  'waiting',
  'on-former-server',
  'retained',
  'imdsv1-open',
  'gone',
  'not-listed',
  'unknown',
] as const;

const Row = z.strictObject({
  /** `i-…`, or the Lightsail instance's name. */
  instance: z.string().min(1),
  platform: z.enum(['ec2', 'lightsail']),
  region: z.string().min(1),
  profile: z.string().nullable(),
  finding: z.enum(FINDINGS),
  /** Why, and where there is something to do, what: a sentence. */
  reason: z.string().min(1),
  /** `started`, or `would-start` in a dry run; `later` where the pace allowed no more; `nothing` was to be started. */
  action: z.enum(['started', 'would-start', 'later', 'nothing']),
  /** Which state machine. */
  starts: z.enum(['enrol-node', 'retire-node']).nullable(),
  /** The name of the execution that was started, or would be. */
  execution: z.string().nullable(),
  /** The last day of the exemption. */
  exemptUntil: z.iso.date().nullable(),
});
export type ReportRow = z.infer<typeof Row>;

const ProfileSummary = z.strictObject({
  profile: z.string().min(1),
  regions: z.array(z.string()).min(1),
  /** `stopped`: an API did not answer, so nothing was removed and what was not seen was not judged. */
  status: z.enum(['swept', 'stopped']),
  /** Why it stopped: a sentence. */
  reason: z.string().nullable(),
  counts: z.strictObject({
    /** Every running instance that the profile matches. */
    instances: Count,
    /** As the profile says, in the ledger. */
    enrolled: Count,
    /** With the metadata options that the profile names. */
    hardened: Count,
    /** Being enrolled or retired while the sweep looked. */
    underWay: Count,
    /** Running, and IMDSv1 is open: whatever their profile asks for, exempt ones and those under way included. */
    imdsV1Open: Count,
    drifting: Count,
    stillOnImdsV1: Count,
    exempt: Count,
    failed: Count,
    gone: Count,
  }),
});
export type ProfileSummary = z.infer<typeof ProfileSummary>;

export const SweepReport = z.strictObject({
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  dryRun: z.boolean(),
  profiles: z.array(ProfileSummary),
  rows: z.array(Row),
  /** What a person must look at: a sentence each. */
  alerts: z.array(z.string()),
  /** Calls of AWS APIs that the sweep made before it wrote this. */
  apiCalls: Count,
});
export type SweepReport = z.infer<typeof SweepReport>;

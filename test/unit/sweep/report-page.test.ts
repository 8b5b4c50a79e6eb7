import * as cheerio from 'cheerio';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FINDINGS, type SweepReport } from '../../../sweep/report.ts';
import { reportPage } from '../../../sweep/report-page.ts';
import { CONDITION_NAMES, CONDITIONS } from '../../../sweep/report-words.ts';
import { anyReport, reportOf } from '../../support/reports.ts';

const parsed = async (report: SweepReport) => cheerio.load(await reportPage(report));
/** What is left of a text once a parser has read it: line ends are one character, and what is no character is none. */
const asRead = (text: string) => text.replace(/\r\n?/g, '\n').replaceAll('\0', '');
/** How many marks a condition has in the picture. */
const marks = ($: cheerio.CheerioAPI, condition: string) =>
  $(`.fleet .is-${condition} path`)
    .map((_, path) => $(path).attr('d')?.match(/M/g)?.length ?? 0)
    .get()
    .reduce((sum, many) => sum + many, 0);

describe("A report's page", () => {
  it('has each row once, with its name and its reason as they were written', async () => {
    await fc.assert(
      fc.asyncProperty(anyReport, async (report) => {
        const $ = await parsed(report);
        const told = $('.instances tbody tr')
          .map((_, tr) => {
            const cells = $(tr).children();
            return JSON.stringify([cells.eq(0).contents().first().text().trim(), cells.eq(2).text()]);
          })
          .get();
        const rows = report.rows.map(({ instance, reason }) =>
          JSON.stringify([asRead(instance).trim(), asRead(reason)]),
        );
        expect(told.toSorted()).toEqual(rows.toSorted());
      }),
    );
  });

  it('runs nothing, asks for nothing, and leads nowhere but into itself, whatever it tells', async () => {
    await fc.assert(
      fc.asyncProperty(anyReport, async (report) => {
        const $ = await parsed(report);
        const elements = $('*')
          .toArray()
          .filter((node) => 'attribs' in node);
        const names = new Set(elements.map((element) => element.tagName));
        expect([...names].filter((name) => !ELEMENTS.has(name))).toEqual([]);
        const attributes = elements.flatMap((element) => Object.entries(element.attribs));
        expect(attributes.filter(([name]) => /^(on|src|style|action|xlink)/.test(name))).toEqual([]);
        for (const [, href] of attributes.filter(([name]) => name === 'href')) {
          expect(href).toMatch(/^#row-\d+$/);
          expect($(String(href))).toHaveLength(1);
        }
        expect($('style').text()).not.toMatch(/url\(|@import|<|expression/);
        expect($('head > style')).toHaveLength(1);
      }),
    );
  });

  it('does not count a node that is not listed among the instances that are there', async () => {
    for (const finding of ['gone', 'not-listed'] as const) {
      const $ = await parsed(reportOf(3, { [finding]: 2 }));
      expect($('h1').text()).toBe('3 of 3 instances are as they should be');
    }
  });

  it('has the browser refuse what it does not have itself', async () => {
    const $ = await parsed(reportOf(1));
    expect($('meta[http-equiv=Content-Security-Policy]').attr('content')).toMatch(/^default-src 'none';/);
  });

  it('says how many are as they should be, and what a person must look at', async () => {
    const $ = await parsed(reportOf(1_200, { failed: 2, gone: 3 }, { alerts: ['Look <here>.'] }));
    expect($('h1').text()).toBe('1,198 of 1,200 instances are as they should be');
    expect($('.alerts').text().trim()).toBe('Look <here>.');
  });

  it('says of a dry run that it started nothing, and of no other', async () => {
    expect((await parsed(reportOf(1, {}, { dryRun: true })))('header').text()).toContain('nothing was started');
    expect((await parsed(reportOf(1)))('header').text()).not.toContain('nothing was started');
  });

  it('says of which profile not all was seen, and why', async () => {
    const report = reportOf(1);
    const stopped = report.profiles.map((profile) => ({
      ...profile,
      status: 'stopped' as const,
      reason: 'EC2 refuses.',
    }));
    const $ = await parsed({ ...report, profiles: stopped });
    expect($('article').text()).toContain('EC2 refuses.');
  });

  it('says so when there is nothing to tell', async () => {
    const $ = await parsed(reportOf(3));
    expect($('.instances')).toHaveLength(0);
    expect($('main').text()).toContain('Nothing.');
  });
});

describe('The picture of the fleet', () => {
  it('has a mark for each instance, of the colour of its condition, from ten to ten thousand', async () => {
    for (const instances of [10, 500, 10_000]) {
      const $ = await parsed(reportOf(instances, { failed: 1, drifting: 4, gone: 2 }));
      expect([marks($, 'failed'), marks($, 'drifting'), marks($, 'gone')]).toEqual([1, 4, 2]);
      expect(marks($, 'as-it-should-be')).toBe(instances - 5);
    }
  });

  it('has no two conditions look alike, without their colours too', async () => {
    const $ = await parsed(reportOf(40, Object.fromEntries(FINDINGS.map((finding) => [finding, 1]))));
    const forms = $('.legend path')
      .map((_, path) => $(path).attr('d'))
      .get();
    expect(forms).toHaveLength(CONDITION_NAMES.length - 1);
    expect(new Set(forms).size).toBe(forms.length);
    const style = $('style').text();
    for (const name of CONDITION_NAMES) expect(style.match(new RegExp(`--${name}: #`, 'g'))).toHaveLength(2);
  });

  it('still shows the only one that failed among a hundred thousand', async () => {
    const $ = await parsed(reportOf(100_000, { failed: 1 }));
    expect(marks($, 'failed')).toBe(1);
    expect(marks($, 'as-it-should-be')).toBeLessThan(12_001);
    expect($('.note').text()).toContain('up to 9 instances');
  });

  it('leads from a mark to its row', async () => {
    const $ = await parsed(reportOf(10, { drifting: 2, failed: 1 }));
    const link = $('.fleet .is-failed a');
    expect(link.find('title').text()).toBe('failed-0: failed');
    expect($(link.attr('href')).text()).toContain('Because of failed 0.');
  });

  it('is told in words to who cannot see it', async () => {
    const $ = await parsed(reportOf(10, { drifting: 2 }));
    expect($('.fleet').attr('role')).toBe('img');
    expect($('.fleet').attr('aria-label')).toBe('web: 2 drifting, 8 as it should be');
    expect($('.mark:not([aria-hidden=true])')).toHaveLength(0);
    for (const { label } of Object.values(CONDITIONS)) expect(label).not.toBe('');
  });

  it('shows an instance of no profile as well', async () => {
    const report = reportOf(1, { unknown: 1 });
    const $ = await parsed({ ...report, rows: report.rows.map((row) => ({ ...row, profile: null })) });
    expect($('article').eq(1).find('.fleet').attr('aria-label')).toBe('of no profile: 1 unknown');
  });
});

const ELEMENTS = new Set(
  (
    'html head meta title style body header main section article p h1 h2 h3 b strong small time ul li ' +
    'table thead tbody tr th td svg g a path'
  ).split(' '),
);

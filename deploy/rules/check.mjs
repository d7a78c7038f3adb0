// Compares templates with cdk-nag's rules, those of the Well-Architected Framework's Serverless Lens
// among them: https://github.com/cdklabs/cdk-nag/blob/main/RULES.md
//
//     node check.mjs ACCEPTED TEMPLATE...
//
// ACCEPTED names what may be found, each with the reason. Both what it does not name and what it
// names in vain is a failure. The templates are CloudFormation's own, as JSON.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

const [acceptedFile, ...templates] = process.argv.slice(2);
const accepted = JSON.parse(readFileSync(acceptedFile, 'utf8'));
const outdir = mkdtempSync(join(tmpdir(), 'rules-'));
const written = join(outdir, 'validation-report.json');

function findings() {
  const app = new App({ outdir });
  for (const templateFile of templates) {
    new CfnInclude(new Stack(app, basename(templateFile, '.json')), 'of', { templateFile });
  }
  Validations.of(app).addPlugins(new ServerlessChecks(app), new AwsSolutionsChecks(app));
  const say = console.error;
  console.error = () => {}; // it prints each finding, also those that are accepted
  try {
    app.synth();
  } catch (error) {
    if (!existsSync(written)) throw error; // otherwise it says that there are findings
  } finally {
    console.error = say;
  }
  process.exitCode = 0; // which it sets at the first finding
  const report = JSON.parse(readFileSync(written, 'utf8'));
  // The third part repeats rules of cfn-lint, which reads the templates before they are transformed.
  const ofPacks = report.pluginReports.filter((each) => ['Serverless', 'AwsSolutions'].includes(each.pluginName));
  if (ofPacks.length !== 2) throw new Error('The report has no part for each pack of rules.');
  return ofPacks.flatMap((each) => each.violations);
}

try {
  const found = findings();
  const names = new Set(found.map((each) => each.ruleName));
  const problems = found
    .filter((each) => !(each.ruleName in accepted))
    .map((each) => {
      const places = each.violatingConstructs.map((place) => place.constructPath.replace('/of/', ': '));
      return `${each.ruleName}: ${each.description}\n    ${places.join('\n    ')}`;
    });
  const stale = Object.keys(accepted).filter((name) => !names.has(name));
  problems.push(...stale.map((name) => `${name}: nothing is found any more; take it out of ${acceptedFile}`));
  for (const problem of problems) console.error(problem);
  if (problems.length) process.exitCode = 1;
  else console.log(`${templates.length} templates keep the rules, with ${names.size} exceptions that have reasons`);
} finally {
  rmSync(outdir, { recursive: true });
}

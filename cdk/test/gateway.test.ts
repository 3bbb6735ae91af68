import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { built, gatewayStacks, placeholders } from '../lib/gateway';
import { gatewayNag } from '../lib/gateway-nag';
import { parse, read, type GatewaySettings } from '../lib/gateway-settings';
import { SettingsError } from '../settings';
import { context } from './support';

type Json = Record<string, unknown>;

const example = (): Json => JSON.parse(readFileSync(new URL('../gateway.json', import.meta.url), 'utf8')) as Json;
const settings = parse(example());

function templates(of: GatewaySettings): Map<string, Template> {
  const stacks = gatewayStacks(new App({ context }), of, placeholders());
  return new Map(stacks.map((stack) => [stack.stackName, Template.fromStack(stack)]));
}

const of = templates(settings);
const template = (name: string): Template => of.get(name) ?? expect.fail(`no stack ${name}`);

function faults(changes: Json): readonly string[] {
  try {
    parse({ ...example(), ...changes });
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('the gateway', () => {
  const global = template('packet-counter-global');
  it('takes the packets of those that are allowed, and nothing else', () => {
    global.hasResourceProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: [Match.objectLike({ IpProtocol: 'udp', FromPort: 2061, ToPort: 2061, CidrIp: '0.0.0.0/0' })],
    });
    const closed = templates({ ...settings, clients: '203.0.113.0/24', port: 5353 }).get('packet-counter-global');
    closed?.hasResourceProperties('AWS::EC2::SecurityGroup', {
      SecurityGroupIngress: [Match.objectLike({ FromPort: 5353, CidrIp: '203.0.113.0/24' })],
    });
  });
  it('says where it is, and what regional stacks are to be told', () => {
    expect(Object.keys(global.toJSON()['Outputs'] as Json)).toEqual(['Domain', 'Port', 'Endpoint', 'DestinationId']);
    global.hasOutput('DestinationId', { Value: { 'Fn::Sub': '${AWS::Region}/${AWS::StackName}/packet-counter' } });
  });
  it('asks a query service where there is one', () => {
    const routed = templates({ ...settings, architecture: 'arm64', matrixUrl: 'https://ping.example.com' }).get('packet-counter-global');
    const asked = /url = \\"https:\/\/ping\.example\.com\\"/;
    expect(JSON.stringify(routed?.toJSON())).toMatch(asked);
    routed?.hasParameter('Image', { Default: Match.stringLikeRegexp('arm64$') });
    expect(JSON.stringify(global.toJSON())).not.toMatch(asked);
  });
});

describe('a counter', () => {
  it('stands in each region of the list, registered with the gateway of the home region', () => {
    const names = settings.regions.map((region) => `packet-counter-region-${region}`);
    expect([...of.keys()]).toEqual(['packet-counter-global', ...names]);
    for (const name of names) {
      const counter = template(name);
      counter.hasResourceProperties('Custom::CloudpingGatewayTarget', {
        DestinationId: 'us-west-2/packet-counter-global/packet-counter', Arn: { 'Fn::GetAtt': 'PacketCounter.Arn' },
      });
      counter.hasOutput('PacketCounterArn', {});
    }
  });
  it('has the name that the gateway may invoke', () => {
    template('packet-counter-region-eu-west-1').hasResourceProperties('AWS::Lambda::Function', { FunctionName: 'packet-counter', Runtime: 'provided.al2023' });
    template('packet-counter-global').hasResourceProperties('AWS::IAM::Role', {
      Policies: [Match.objectLike({
        PolicyDocument: Match.objectLike({
          Statement: Match.arrayWith([Match.objectLike({
            Action: 'lambda:InvokeFunction', Resource: { 'Fn::Sub': 'arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:packet-counter' },
          })]),
        }),
      })],
    });
  });
});

describe('settings', () => {
  it('as committed are good, and name no account', () => {
    expect(read(new URL('../gateway.json', import.meta.url)).account).toBe('000000000000');
  });
  it('name every fault at once', () => {
    expect(faults({ clients: 'everybody', port: 53, matrixUrl: 'here', regions: [] })).toEqual([
      'regions is [], expected a list of at least 1, each a region of the partition aws, such as eu-west-1',
      'clients is "everybody", expected a network of IPv4 such as 203.0.113.0/24',
      'port is 53, expected a whole number from 1024 to 65535',
      'matrixUrl is "here", expected an address such as https://ping.example.com, or null',
    ]);
    expect(() => read('/nowhere/gateway.json')).toThrow(/^gateway\.json:\n.*ENOENT/);
  });
  it('need programs that are built', () => {
    expect(() => built(settings, '/nowhere')).toThrow(/release\/cloudping\n.*packet-counter-x86_64\.zip\nrun cargo xtask package packet-counter/);
  });
});

it('AwsSolutions finds nothing that is not argued', () => {
  const app = new App({ context });
  gatewayNag(app, gatewayStacks(app, settings, placeholders()));
  const messages = app.synth().stacks.flatMap((stack) => stack.messages);
  const found = messages.filter(({ entry }) => /AwsSolutions|CdkNag/.test(String(entry.data))).map(({ id, entry }) => `${id}: ${String(entry.data)}`);
  expect(found).toEqual([]);
});

it.each([...of.keys()].slice(0, 2))('%s is as it was', (name) => {
  expect(template(name).toJSON()).toMatchSnapshot();
});

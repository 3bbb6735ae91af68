import type { App } from 'aws-cdk-lib';
import type { Settings } from '../settings';
import { AnalyticsStack } from './analytics';
import { EdgeStack } from './edge';
import { IngestStack } from './ingest';
import { NetworkStack } from './network';
import { ObservabilityStack } from './observability';
import type { Packages } from './packages';
import type { PartStack } from './part-stack';
import { PipelineStack } from './pipeline';
import { ProducerStack } from './producers';
import { RegionManagerStack } from './region-manager';
import { ServingStack } from './serving';
import { StateStack } from './state';

/** All stacks of a deployment. */
export function deployment(app: App, settings: Settings, packages: Packages): readonly PartStack[] {
  const state = new StateStack(app, settings);
  const network = new NetworkStack(app, settings);
  const { stream, table, archive, results, accessLogs } = state;
  const { vpc } = network;
  const pipeline = new PipelineStack(app, settings, { packages, table, archive, vpc });
  // The stream goes by its name, which CloudFormation does not see.
  pipeline.addStackDependency(state);
  const { requestsPer5Minutes } = settings.serving;
  const edge = requestsPer5Minutes === null ? [] : [new EdgeStack(app, settings, requestsPer5Minutes)];
  const firewall = edge[0]?.firewall.attrArn;
  const serving = new ServingStack(app, settings, { packages, table, archive, accessLogs, vpc, firewall });
  const analytics = new AnalyticsStack(app, settings, archive, results);
  const { processor, rollup, failed } = pipeline;
  const ingest = settings.ingest ? [new IngestStack(app, settings, settings.ingest, { packages, table })] : [];
  ingest.forEach((stack) => stack.addStackDependency(state));
  const observability = new ObservabilityStack(app, settings, {
    stream, table, processor, rollup, failed, backend: serving.backend, door: ingest[0]?.door,
  });
  const manager = settings.regionManager;
  // Two that deploy the same function would undo each other's work.
  const producers: PartStack[] = manager
    ? [new RegionManagerStack(app, settings, { packages, archive, manager })]
    : settings.producers.regions.map((region) => new ProducerStack(app, settings, region, packages));
  producers.forEach((producer) => producer.addStackDependency(state));
  return [state, network, pipeline, ...edge, serving, analytics, ...ingest, observability, ...producers];
}

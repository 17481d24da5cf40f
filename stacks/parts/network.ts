/** What a function needs to work in somebody's VPC: a way to the database, and to the services that it calls. */
import { namePrefix } from "./settings.ts";
import { sources } from "./sources.ts";

/** As a connection declares it. */
export interface Place {
  readonly id: string;
  readonly subnets: readonly string[];
  readonly route_tables: readonly string[];
  readonly security_group?: string | undefined;
  readonly endpoints: "make" | "there";
}

const region = aws.getRegionOutput().region;

/** S3 and DynamoDB are reached by routes and cost nothing; these cost by the hour and subnet. */
const called = ["kinesis-streams", "athena", "lambda"] as const;
/** Called by functions whose sources Spark reads, too. */
const calledForSpark = ["emr-serverless"] as const;
const viaRoutes = ["s3", "dynamodb"] as const;

interface Endpoints {
  /** What its members reach over TLS: the interfaces' group, and the prefix lists of the routes. */
  readonly group: aws.ec2.SecurityGroup;
  readonly prefixLists: readonly $util.Output<string>[];
}

const sparkIn = (vpc: string): boolean =>
  sources.some(
    ({ kind, connection, spec }) => kind === "relational" && spec.read !== undefined && connection.vpc?.id === vpc,
  );

const made = new Map<string, Endpoints>();
const words = (name: string): string =>
  name.replace(/(^|-)([a-z0-9])/g, (_, _dash, letter: string) => letter.toUpperCase());

const tcp = (port: number) => ({ ipProtocol: "tcp", fromPort: port, toPort: port });

/** One set for each VPC, however many sources are in it. */
const endpointsOf = (place: Place): Endpoints => {
  const known = made.get(place.id);
  if (known !== undefined) return known;
  const name = `Sources${words(place.id)}`;
  const group = new aws.ec2.SecurityGroup(`${name}Endpoints`, {
    name: `${namePrefix}-sources-endpoints-${place.id}`,
    description: "Services that loads of sources call",
    vpcId: place.id,
  });
  for (const service of [...called, ...(sparkIn(place.id) ? calledForSpark : [])])
    new aws.ec2.VpcEndpoint(`${name}${words(service)}`, {
      vpcId: place.id,
      serviceName: $interpolate`com.amazonaws.${region}.${service}`,
      vpcEndpointType: "Interface",
      subnetIds: [...place.subnets],
      securityGroupIds: [group.id],
      privateDnsEnabled: true,
    });
  const gateways = viaRoutes.map(
    (service) =>
      new aws.ec2.VpcEndpoint(`${name}${words(service)}`, {
        vpcId: place.id,
        serviceName: $interpolate`com.amazonaws.${region}.${service}`,
        vpcEndpointType: "Gateway",
        routeTableIds: [...place.route_tables],
      }),
  );
  const endpoints = { group, prefixLists: gateways.map(({ prefixListId }) => prefixListId) };
  made.set(place.id, endpoints);
  return endpoints;
};

type Egress = Omit<aws.vpc.SecurityGroupEgressRuleArgs, "securityGroupId">;
const wayOut =
  (name: string, group: aws.ec2.SecurityGroup) =>
  (what: string, to: Egress): void =>
    void new aws.vpc.SecurityGroupEgressRule(`${name}${what}`, { securityGroupId: group.id, ...to });

/** A way from a group to the database, and the database's own group lets it in. */
const toDatabase = (
  name: string,
  source: string,
  place: Place,
  databasePort: number,
  group: aws.ec2.SecurityGroup,
): void => {
  wayOut(name, group)("ToDatabase", {
    ...tcp(databasePort),
    ...(place.security_group === undefined
      ? { cidrIpv4: "0.0.0.0/0" }
      : { referencedSecurityGroupId: place.security_group }),
  });
  if (place.security_group !== undefined)
    new aws.vpc.SecurityGroupIngressRule(`${name}AtDatabase`, {
      securityGroupId: place.security_group,
      description: `Loads of the source ${source}`,
      ...tcp(databasePort),
      referencedSecurityGroupId: group.id,
    });
};

/** Where the function of a source runs. It speaks with its database and with the services, and nobody speaks with it. */
export const placeIn = (
  name: string,
  source: string,
  place: Place,
  databasePort: number,
): { readonly privateSubnets: string[]; readonly securityGroups: $util.Input<string>[] } => {
  const group = new aws.ec2.SecurityGroup(name, {
    name: `${namePrefix}-load-${source}`,
    description: `Loads of the source ${source}`,
    vpcId: place.id,
  });
  const out = wayOut(name, group);
  toDatabase(name, source, place, databasePort, group);
  if (place.endpoints === "there") out("ToServices", { ...tcp(443), cidrIpv4: "0.0.0.0/0" });
  else {
    const { group: services, prefixLists } = endpointsOf(place);
    out("ToServices", { ...tcp(443), referencedSecurityGroupId: services.id });
    new aws.vpc.SecurityGroupIngressRule(`${name}AtServices`, {
      securityGroupId: services.id,
      ...tcp(443),
      referencedSecurityGroupId: group.id,
    });
    for (const [at, prefixListId] of prefixLists.entries())
      out(`To${words(viaRoutes[at]!)}`, { ...tcp(443), prefixListId });
  }
  return { privateSubnets: [...place.subnets], securityGroups: [group.id] };
};

/** Where Spark reads a source: its workers speak with the database, with S3 and with each other. */
export const sparkPlaceIn = (
  name: string,
  source: string,
  place: Place,
  databasePort: number,
): { readonly subnetIds: string[]; readonly securityGroupIds: $util.Input<string>[] } => {
  const group = new aws.ec2.SecurityGroup(name, {
    name: `${namePrefix}-read-${source}`,
    description: `Spark reading the source ${source}`,
    vpcId: place.id,
  });
  const out = wayOut(name, group);
  toDatabase(name, source, place, databasePort, group);
  const workers = { ipProtocol: "tcp", fromPort: 0, toPort: 65_535, referencedSecurityGroupId: group.id };
  out("ToWorkers", workers);
  new aws.vpc.SecurityGroupIngressRule(`${name}AtWorkers`, { securityGroupId: group.id, ...workers });
  if (place.endpoints === "there") out("ToServices", { ...tcp(443), cidrIpv4: "0.0.0.0/0" });
  else out("ToS3", { ...tcp(443), prefixListId: endpointsOf(place).prefixLists[viaRoutes.indexOf("s3")]! });
  return { subnetIds: [...place.subnets], securityGroupIds: [group.id] };
};

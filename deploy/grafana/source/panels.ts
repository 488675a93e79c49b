// The few kinds of panel that the dashboards are made of, typed by Grafana's own schema, and how they are laid out.

import {
  AxisPlacement,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  type Dashboard,
  DashboardCursorSync,
  type DataQuery,
  type DataSourceRef,
  defaultDashboard,
  FieldColorModeId,
  type GraphFieldConfig,
  GraphDrawStyle,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LineInterpolation,
  type Panel,
  PercentChangeColorMode,
  type RowPanel,
  SortOrder,
  StackingMode,
  type Threshold,
  type ThresholdsConfig,
  ThresholdsMode,
  TooltipDisplayMode,
  VariableHide,
  VisibilityMode,
  VizOrientation,
} from "@grafana/schema";
import type { Options as HeatmapOptions } from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type {
  FieldConfig as TimelineFieldConfig,
  Options as TimelineOptions,
} from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type { Options as TableOptions } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { Options as TimeSeriesOptions } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// The names that deploy/grafana/provisioning/datasources gives them.
const PROMETHEUS: DataSourceRef = { type: "prometheus", uid: "prometheus" };
const JAEGER: DataSourceRef = { type: "jaeger", uid: "jaeger" };

/** A query of Grafana's data source for Prometheus. The schema leaves it to the data source. */
export interface PrometheusQuery extends DataQuery {
  datasource: DataSourceRef;
  expr: string;
  legendFormat: string;
  /** The newest value only, rather than one for each point in time. */
  instant: boolean;
  range: boolean;
  exemplar: boolean;
  format: "time_series" | "heatmap";
}

/** A search of Grafana's data source for Jaeger. */
interface JaegerQuery extends DataQuery {
  datasource: DataSourceRef;
  queryType: "search";
  service: string;
  operation: string;
  minDuration: string;
  limit: number;
}

/** Each is the expression, by what its lines are called. */
type Queries = Record<string, string>;

interface About {
  title: string;
  /** What a person should think when it is bad. */
  description: string;
  /** Of Grafana's units. */
  unit: string;
  queries: Queries;
  /** In columns of 24. */
  width: number;
  height?: number;
  /** From here on it is too much, or, with `isFloor`, below it too little. */
  limit?: number;
  isFloor?: boolean;
}

interface Lines extends About {
  bars?: boolean;
  stacked?: boolean;
  exemplars?: boolean;
  max?: number;
}

const NO_VALUE = "nothing yet";

/** How far an axis goes at least, by its unit: of nothing but zeros Grafana makes one that goes to a hundred. */
const AXIS_SOFT_MAX: Readonly<Record<string, number>> = { short: 1, percentunit: 0.1 };

/** A panel without its place; the dashboard finds that. */
export type Unplaced = Omit<Panel, "id" | "gridPos"> & { width: number; height: number };

function prometheus(queries: Queries, options: Partial<PrometheusQuery> = {}): Record<string, unknown>[] {
  return Object.entries(queries).map(([legendFormat, expr], index) => {
    const query: PrometheusQuery = {
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource: PROMETHEUS,
      expr,
      legendFormat,
      instant: false,
      range: true,
      exemplar: false,
      format: "time_series",
      ...options,
    };
    return { ...query };
  });
}

function thresholds({ limit, isFloor }: About): ThresholdsConfig {
  return { mode: ThresholdsMode.Absolute, steps: steps(limit, isFloor) };
}

function steps(limit: number | undefined, isFloor: boolean | undefined): Threshold[] {
  // JSON has no -Infinity; Grafana writes null for the first step.
  const first = null as unknown as number;
  if (limit === undefined) return [{ value: first, color: "blue" }];
  const [below, above] = isFloor ? ["red", "green"] : ["green", "red"];
  return [
    { value: first, color: below },
    { value: limit, color: above },
  ];
}

function base(about: About, type: string): Pick<Panel, "title" | "description"> & { type: string; datasource: DataSourceRef } {
  return { type, title: about.title, description: about.description, datasource: PROMETHEUS };
}

/** Lines over time, with a dashed one where too much begins. */
export function lines(about: Lines): Unplaced {
  const softMax = AXIS_SOFT_MAX[about.unit];
  const custom: GraphFieldConfig = {
    drawStyle: about.bars ? GraphDrawStyle.Bars : GraphDrawStyle.Line,
    lineInterpolation: LineInterpolation.Linear,
    lineWidth: about.bars ? 0 : 2,
    fillOpacity: about.bars ? 80 : about.stacked ? 40 : 0,
    showPoints: VisibilityMode.Auto,
    // Between two turns nothing is measured; a line across would claim that something was.
    spanNulls: false,
    axisPlacement: AxisPlacement.Auto,
    axisSoftMin: 0,
    ...(softMax === undefined ? {} : { axisSoftMax: softMax }),
    stacking: { mode: about.stacked ? StackingMode.Normal : StackingMode.None, group: "A" },
    thresholdsStyle: { mode: about.limit === undefined ? GraphThresholdsStyleMode.Off : GraphThresholdsStyleMode.Dashed },
  };
  const options: TimeSeriesOptions = {
    legend: { displayMode: LegendDisplayMode.Table, placement: "bottom", showLegend: true, calcs: ["lastNotNull", "max"] },
    tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending },
  };
  return {
    ...base(about, "timeseries"),
    targets: prometheus(about.queries, { exemplar: about.exemplars ?? false }),
    fieldConfig: {
      defaults: {
        unit: about.unit,
        noValue: NO_VALUE,
        min: 0,
        ...(about.max === undefined ? {} : { max: about.max }),
        color: { mode: FieldColorModeId.PaletteClassic },
        thresholds: thresholds(about),
        custom: { ...custom },
      },
      overrides: [],
    },
    options: { ...options },
    width: about.width,
    height: about.height ?? 8,
  };
}

/** How often things happened: bars, on top of each other unless told otherwise. */
export function bars(about: Omit<Lines, "unit" | "bars">): Unplaced {
  return lines({ stacked: true, ...about, unit: "short", bars: true });
}

/** One number, and the colour that says whether it is good. */
export function figure(about: About): Unplaced {
  const options: StatOptions = {
    reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
    orientation: VizOrientation.Auto,
    textMode: BigValueTextMode.Auto,
    colorMode: BigValueColorMode.Value,
    graphMode: BigValueGraphMode.None,
    justifyMode: BigValueJustifyMode.Auto,
    percentChangeColorMode: PercentChangeColorMode.Standard,
    showPercentChange: false,
    wideLayout: true,
  };
  return {
    ...base(about, "stat"),
    targets: prometheus(about.queries, { instant: true, range: false }),
    fieldConfig: {
      defaults: {
        unit: about.unit,
        noValue: NO_VALUE,
        color: { mode: FieldColorModeId.Thresholds },
        thresholds: thresholds(about),
      },
      overrides: [],
    },
    options: { ...options },
    width: about.width,
    height: about.height ?? 4,
  };
}

/** When something was there and when it was not: 1 and 0 over time. */
export function timeline(about: About): Unplaced {
  const custom: TimelineFieldConfig = { fillOpacity: 80, lineWidth: 0 };
  const options: TimelineOptions = {
    rowHeight: 0.8,
    showValue: VisibilityMode.Never,
    mergeValues: true,
    legend: { displayMode: LegendDisplayMode.List, placement: "bottom", showLegend: false, calcs: [] },
    tooltip: { mode: TooltipDisplayMode.Single, sort: SortOrder.None },
  };
  return {
    ...base(about, "state-timeline"),
    targets: prometheus(about.queries),
    fieldConfig: {
      defaults: {
        unit: about.unit,
        color: { mode: FieldColorModeId.Thresholds },
        thresholds: thresholds(about),
        custom: { ...custom },
      },
      overrides: [],
    },
    options: { ...options },
    width: about.width,
    height: about.height ?? 8,
  };
}

/** How many took how long, over time. `queries` are buckets, by `le`. */
export function heatmap(about: About): Unplaced {
  const options: HeatmapOptions = {
    calculate: false,
    cellGap: 1,
    color: { exponent: 0.5, fill: "blue", scheme: "Blues", steps: 64, reverse: false },
    exemplars: { color: "red" },
    // A cell in which there was nothing is no cell.
    filterValues: { le: 1e-9 },
    legend: { show: true },
    showValue: VisibilityMode.Never,
    tooltip: { mode: TooltipDisplayMode.Single, yHistogram: true },
    yAxis: { axisPlacement: AxisPlacement.Left, unit: about.unit },
  };
  return {
    ...base(about, "heatmap"),
    targets: prometheus(about.queries, { format: "heatmap", exemplar: true }),
    fieldConfig: { defaults: { unit: about.unit }, overrides: [] },
    options: { ...options },
    width: about.width,
    height: about.height ?? 9,
  };
}

interface Traces {
  title: string;
  description: string;
  service: string;
  operation: string;
  /** Such as `1s`. */
  slowerThan: string;
  width: number;
}

/** Traces that took long, each a link. */
export function traces(about: Traces): Unplaced {
  const query: JaegerQuery = {
    refId: "A",
    datasource: JAEGER,
    queryType: "search",
    service: about.service,
    operation: about.operation,
    minDuration: about.slowerThan,
    limit: 20,
  };
  const options: TableOptions = {
    frameIndex: 0,
    showHeader: true,
    sortBy: [{ displayName: "Duration", desc: true }],
  };
  return {
    type: "table",
    title: about.title,
    description: about.description,
    datasource: JAEGER,
    targets: [{ ...query }],
    fieldConfig: { defaults: { unit: "none" }, overrides: [] },
    options: { ...options },
    width: about.width,
    height: 9,
  };
}

export interface Section {
  title: string;
  panels: Unplaced[];
}

export interface Page {
  /** Also the name of its file. */
  uid: string;
  title: string;
  description: string;
  sections: Section[];
}

const COLUMNS = 24;
const TAG = "aether";

/** The panels side by side until a row is full. Those of a row that is not share what is left of it. */
function rows(panels: Unplaced[]): Unplaced[][] {
  const all: Unplaced[][] = [];
  let left = 0;
  for (const panel of panels) {
    if (left < panel.width) {
      all.push([]);
      left = COLUMNS;
    }
    all.at(-1)?.push(panel);
    left -= panel.width;
  }
  return all.map((row) => {
    const taken = row.reduce((sum, { width }) => sum + width, 0);
    return row.map((panel) => ({ ...panel, width: (panel.width * COLUMNS) / taken }));
  });
}

/** Puts the sections below each other. */
export function dashboard(page: Page): Dashboard {
  const panels: (Panel | RowPanel)[] = [];
  let top = 0;
  let id = 1;
  for (const section of page.sections) {
    panels.push({
      id: id++,
      type: "row",
      title: section.title,
      collapsed: false,
      gridPos: { x: 0, y: top, w: COLUMNS, h: 1 },
      panels: [],
    });
    top += 1;
    for (const row of rows(section.panels)) {
      let left = 0;
      for (const { width, height, ...panel } of row) {
        panels.push({ id: id++, ...panel, gridPos: { x: left, y: top, w: width, h: height } });
        left += width;
      }
      top += Math.max(...row.map(({ height }) => height));
    }
  }
  const windows = ["5m", "15m", "1h", "6h", "1d"];
  return {
    uid: `aether-${page.uid}`,
    title: page.title,
    description: page.description,
    tags: [TAG],
    schemaVersion: defaultDashboard.schemaVersion ?? 0,
    editable: false,
    graphTooltip: DashboardCursorSync.Crosshair,
    refresh: "30s",
    time: { from: "now-3h", to: "now" },
    timezone: "browser",
    links: [
      {
        type: "dashboards",
        title: "Aether",
        tags: [TAG],
        asDropdown: false,
        icon: "",
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        tooltip: "",
      },
    ],
    templating: {
      list: [
        {
          type: "custom",
          name: "window",
          label: "Window",
          description: "What a percentile or a share is taken over. Few people talk: make it longer.",
          hide: VariableHide.dontHide,
          query: windows.join(","),
          current: { text: "15m", value: "15m", selected: true },
          options: windows.map((text) => ({ text, value: text, selected: text === "15m" })),
          multi: false,
          includeAll: false,
          skipUrlSync: false,
        },
      ],
    },
    annotations: { list: [] },
    panels,
  };
}

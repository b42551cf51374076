// What Grafana says instead of a chart without points.
import { css } from "@emotion/css";
import type { GrafanaTheme2 } from "@grafana/data";
import { useStyles2 } from "@grafana/ui";
import type { Panel } from "./model";

export function NoData({ panel }: { panel: Panel }) {
  const styles = useStyles2(getStyles);
  return <div className={styles.noData}>{panel.fieldConfig?.defaults?.noValue ?? "No data"}</div>;
}

const getStyles = (theme: GrafanaTheme2) => ({
  noData: css({
    display: "flex", height: "100%", alignItems: "center", justifyContent: "center", textAlign: "center",
    color: theme.colors.text.secondary, padding: theme.spacing(1),
  }),
});

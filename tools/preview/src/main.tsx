// Draws one dashboard. The address says which: ?data=URL&theme=dark. The document's title is "drawn" once nothing moves any more.
import { createTheme, setTimeZoneResolver, ThemeContext } from "@grafana/data";
import { initPluginTranslations } from "@grafana/i18n";
import { GlobalStyles, PortalContainer } from "@grafana/ui";
import { createRoot } from "react-dom/client";
import { Dashboard } from "./dashboard";
import { prepare, type Prepared } from "./fields";
import type { Panel, Preview } from "./model";
import { interpolation } from "./variables";

const parameters = new URLSearchParams(location.search);
const theme = createTheme({ colors: { mode: parameters.get("theme") === "light" ? "light" : "dark" } });

async function loadFonts(): Promise<void> {
  // The charts measure and draw texts on a canvas, which does not wait for fonts.
  await Promise.all(["400 12px Inter", "500 12px Inter"].map((font) => document.fonts.load(font)));
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1500));
  document.title = "drawn";
}

function drawnPanels(panels: Panel[]): Panel[] {
  return panels.flatMap((panel) => [panel, ...(panel.collapsed ? [] : (panel.panels ?? []))]);
}

async function main(): Promise<void> {
  setTimeZoneResolver(() => "utc");
  await initPluginTranslations("dashboard-preview");
  const preview: Preview = await (await fetch(parameters.get("data") ?? "")).json();
  const root = createRoot(document.getElementById("root")!);
  const draw = (content: React.ReactNode) =>
    root.render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <PortalContainer />
        {content}
      </ThemeContext.Provider>,
    );
  draw(null);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await loadFonts();
  const replace = interpolation(preview);
  const panels = drawnPanels(preview.dashboard.panels);
  const prepared = new Map<number, Prepared>();
  for (const panel of panels) {
    prepared.set(panel.id, await prepare(panel, preview.answers[panel.id]?.frames ?? [], theme, replace));
  }
  draw(<Dashboard preview={preview} panels={panels} prepared={prepared} replace={replace} />);
  await settle();
}

void main();

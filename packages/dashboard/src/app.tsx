import { useState } from "preact/hooks";
import type { ComponentType } from "preact";
import { linkTo, useRoute, type Route } from "./route.ts";
import { SignIn } from "./parts/sign-in.tsx";
import { Empty } from "./parts/state.tsx";
import { CataloguePage } from "./pages/catalogue.tsx";
import { ChurnPage } from "./pages/churn.tsx";
import { CustomerPage } from "./pages/customer.tsx";
import { CustomersPage } from "./pages/customers.tsx";
import { PipelinePage } from "./pages/pipeline.tsx";
import { SalesPage } from "./pages/sales.tsx";
import { currentKeys } from "./session.ts";
import { type Theme, applyTheme, chosenTheme } from "./theme.ts";

interface Page {
  readonly name: string;
  readonly title: string;
  readonly view: ComponentType<{ route: Route }>;
  /** Reached from other pages, not from the bar. */
  readonly hidden?: boolean;
}

/** In the order of the bar. */
const pages: readonly Page[] = [
  { name: "sales", title: "Sales", view: SalesPage },
  { name: "customers", title: "Customers", view: CustomersPage },
  { name: "churn", title: "Churn", view: ChurnPage },
  { name: "pipeline", title: "Pipeline", view: PipelinePage },
  { name: "catalogue", title: "Catalogue", view: CataloguePage, hidden: true },
  { name: "customer", title: "Customer", view: CustomerPage, hidden: true },
];

export const App = () => {
  const route = useRoute();
  const [signedIn, setSignedIn] = useState(currentKeys().read !== undefined);
  const page = pages.find((candidate) => candidate.name === route.page);
  const View = page?.view;
  return (
    <>
      <a class="skip" href="#content" onClick={focusContent}>
        Skip to the content
      </a>
      <header class="bar">
        <span class="brand">Ebb</span>
        <nav aria-label="Pages">
          {pages
            .filter((one) => one.hidden !== true)
            .map((one) => (
              <a key={one.name} href={linkTo(one.name)} aria-current={one === page ? "page" : undefined}>
                {one.title}
              </a>
            ))}
        </nav>
        <ThemeChoice />
      </header>
      <main id="content" tabIndex={-1}>
        {!signedIn ? (
          <SignIn onDone={() => setSignedIn(true)} />
        ) : View === undefined ? (
          <Empty title="There is no such page.">
            <p>
              <a href={linkTo("sales")}>Go to sales</a>
            </p>
          </Empty>
        ) : (
          <View route={route} />
        )}
      </main>
    </>
  );
};

/** The address holds the view, so the link cannot use it to move the focus. */
const focusContent = (event: Event): void => {
  event.preventDefault();
  document.getElementById("content")?.focus();
};

const ThemeChoice = () => {
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  return (
    <label class="theme">
      <span class="visually-hidden">Theme</span>
      <select
        value={theme}
        onChange={(event) => {
          const next = event.currentTarget.value as Theme;
          applyTheme(next);
          setTheme(next);
        }}
      >
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
};

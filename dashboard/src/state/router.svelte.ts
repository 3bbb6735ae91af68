/** The address bar as reactive state. Links are ordinary links; their clicks are taken over here. */

import { routeOf, type Route } from '../pages';

/** Paths that the server answers itself. */
const SERVER_PATHS = ['/api/', '/healthz', '/metrics'];

class Router {
  route = $state.raw<Route>(this.#read());

  #read(): Route {
    return routeOf(location.pathname, location.search);
  }

  /** Goes to another page, as a link does. */
  go(href: string): void {
    const before = this.route.page;
    history.pushState(null, '', href);
    this.route = this.#read();
    if (this.route.page !== before) document.getElementById('main')?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  /** Notes a change of state on the same page; the back button skips it. */
  replace(href: string): void {
    history.replaceState(null, '', href);
    this.route = this.#read();
  }

  listen(): void {
    addEventListener('popstate', () => (this.route = this.#read()));
    document.addEventListener('click', (event) => this.#clicked(event));
  }

  #clicked(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (link === null || link.target !== '' || link.hasAttribute('download')) return;
    const address = new URL(link.href);
    if (address.origin !== location.origin || SERVER_PATHS.some((path) => address.pathname.startsWith(path))) return;
    if (address.hash !== '') return;
    event.preventDefault();
    this.go(address.pathname + address.search);
  }
}

export const router = new Router();

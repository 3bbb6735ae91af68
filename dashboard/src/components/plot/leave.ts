/** When what a chart was asked by pointing is no longer asked. */

import type { Attachment } from 'svelte/attachments';

/** Calls `gone` when the pointer is elsewhere. A finger leaves with every touch, so what it pointed at stays until it touches something else. */
export function leave(gone: () => void): Attachment<HTMLElement> {
  return (element) => {
    const left = ({ pointerType }: PointerEvent): void => {
      if (pointerType !== 'touch') gone();
    };
    const touched = ({ target }: PointerEvent): void => {
      if (!(target instanceof Node && element.contains(target))) gone();
    };
    element.addEventListener('pointerleave', left);
    // Before what is touched takes it: that may be another chart under the same cursor.
    document.addEventListener('pointerdown', touched, true);
    return () => {
      element.removeEventListener('pointerleave', left);
      document.removeEventListener('pointerdown', touched, true);
    };
  };
}

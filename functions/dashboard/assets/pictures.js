/**
 * Let the browser take the smallest size that fits, and keep it; an old picture has but one.
 * @param {HTMLImageElement} picture
 * @param {{url: string, width: number, thumbnails?: {url: string, width: number}[]}} result
 * @param {string} sizes how wide it is shown
 */
export function aim(picture, { url, width, thumbnails = [] }, sizes) {
  const every = [...thumbnails, { url, width }];
  picture.sizes = sizes;
  picture.srcset = every.map((each) => `${each.url} ${each.width}w`).join(", ");
  picture.src = every[0].url;
}

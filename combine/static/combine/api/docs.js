"use strict";

(() => {
  const place = document.getElementById("docs");
  // The token is for readers with a session of the staff pages; with a bearer token it says nothing.
  const withCsrfToken = (request) => {
    const isOurs = new URL(request.url, document.baseURI).origin === window.location.origin;
    if (isOurs && !["GET", "HEAD", undefined].includes(request.method)) {
      request.headers["X-CSRFToken"] = place.dataset.csrfToken;
    }
    return request;
  };
  SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    displayOperationId: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    // Nobody else is told of our description.
    validatorUrl: null,
    requestInterceptor: withCsrfToken,
  });
})();
